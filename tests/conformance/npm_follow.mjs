// Follows streams with the npm package `eventsource`. Arguments: its module, and the second argument of `follow` as JSON.
// Prints one line of JSON: for each stream, its events.
import { follow } from './follow.mjs'

const [module, options] = process.argv.slice(2)
const { EventSource } = await import(module)
console.log(JSON.stringify(await follow(EventSource, JSON.parse(options))))
