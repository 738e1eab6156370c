// Parses streams with the npm package `eventsource-parser`, as its companion `eventsource` uses it.
// Arguments: the package's module, and a file of JSON: [{ stream: base64, cuts: [[size, …], …] }, …].
// Prints one JSON document: for each stream, for each way to cut it, { events, retry, lastEventId }.
import { readFileSync } from 'node:fs'

const [module, input] = process.argv.slice(2)
const { createParser } = await import(module)

function parse(stream, sizes) {
  const found = { events: [], retry: null, lastEventId: '' }
  const parser = createParser({
    onEvent({ id, event, data }) {
      if (id !== undefined) found.lastEventId = id
      found.events.push([event ?? 'message', data, found.lastEventId])
    },
    onRetry(milliseconds) {
      found.retry = Math.min(milliseconds, Number.MAX_SAFE_INTEGER)
    },
  })
  const decoder = new TextDecoder()
  let at = 0
  for (const size of sizes) {
    parser.feed(decoder.decode(stream.subarray(at, (at += size)), { stream: true }))
  }
  return found
}

const streams = JSON.parse(readFileSync(input, 'utf8'))
const results = streams.map(({ stream, cuts }) => cuts.map((sizes) => parse(Buffer.from(stream, 'base64'), sizes)))
process.stdout.write(JSON.stringify(results))
