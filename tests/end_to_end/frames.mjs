// Reads streams with clients of npm that run in node, and prints one JSON document:
// for each client, for each stream, the events [name, data, id] up to the one named `after`, or an error.
// Arguments: the URL, to which the number of a stream is added; how many streams; the names of the events.
import { EventSource } from 'eventsource'
import { createParser } from 'eventsource-parser'
import { _iterSSEMessages } from 'openai/core/streaming'

const [base, count, ...names] = process.argv.slice(2)

function eventsource(url) {
  return new Promise((resolve) => {
    const seen = []
    const source = new EventSource(url)
    for (const name of names) {
      source.addEventListener(name, ({ data, lastEventId }) => {
        seen.push([name, data, lastEventId])
        if (name === 'after') {
          source.close()
          resolve(seen)
        }
      })
    }
  })
}

async function parser(url) {
  const seen = []
  const parser = createParser({ onEvent: ({ event, data, id }) => seen.push([event ?? 'message', data, id ?? '']) })
  for await (const text of (await fetch(url)).body.pipeThrough(new TextDecoderStream())) parser.feed(text)
  return seen
}

async function openai(url) {
  const seen = []
  for await (const { event, data } of _iterSSEMessages(await fetch(url), new AbortController())) {
    seen.push([event ?? 'message', data, null])
  }
  return seen
}

async function all(client) {
  const found = []
  for (let number = 0; number < count; number++) {
    found.push(await client(base + number).catch((error) => String(error)))
  }
  return found
}

const clients = { eventsource, 'eventsource-parser': parser, "npm's openai": openai }
const results = {}
for (const [name, client] of Object.entries(clients)) results[name] = await all(client)
process.stdout.write(JSON.stringify(results) + '\n')
