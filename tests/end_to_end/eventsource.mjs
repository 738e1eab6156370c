// Connects with the npm package `eventsource` and prints all that happens, one JSON document a line.
// Arguments: the URL, then the names of the events to listen to besides `message`.
// With HTTP2 in the environment it offers HTTP/2, which node's own fetch does not.
import { EventSource } from 'eventsource'
import { Agent, fetch as undiciFetch } from 'undici'

const [url, ...names] = process.argv.slice(2)
const dispatcher = new Agent({ allowH2: true, bodyTimeout: 0 })
const options = process.env.HTTP2 ? { fetch: (url, init) => undiciFetch(url, { ...init, dispatcher }) } : {}
const source = new EventSource(url, options)
const print = (kind, fields) => process.stdout.write(JSON.stringify({ kind, ...fields }) + '\n')

source.addEventListener('open', () => print('open', { readyState: source.readyState }))
source.addEventListener('error', (event) =>
  print('error', { readyState: source.readyState, code: event.code ?? null, message: event.message ?? null }),
)
for (const name of ['message', ...names]) {
  source.addEventListener(name, (event) => print('event', { name, data: event.data, id: event.lastEventId }))
}
