// Connects with the npm package `eventsource` and prints all that happens, one JSON document a line.
// Arguments: the URL, then the names of the events to listen to besides `message`.
import { EventSource } from 'eventsource'

const [url, ...names] = process.argv.slice(2)
const source = new EventSource(url)
const print = (kind, fields) => process.stdout.write(JSON.stringify({ kind, ...fields }) + '\n')

source.addEventListener('open', () => print('open', { readyState: source.readyState }))
source.addEventListener('error', (event) =>
  print('error', { readyState: source.readyState, code: event.code ?? null, message: event.message ?? null }),
)
for (const name of ['message', ...names]) {
  source.addEventListener(name, (event) => print('event', { name, data: event.data, id: event.lastEventId }))
}
