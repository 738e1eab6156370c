// Asks an API with npm's `openai`, and prints JSON, a line each: "chunk" for each chunk of a stream, and what has come
// of each ask, as `Outcome` in openai_clients.py has it. Arguments: the API's URL; a JSON array of asks.
import OpenAI from 'openai'

const [baseURL, asks] = process.argv.slice(2)
const print = (value) => process.stdout.write(JSON.stringify(value) + '\n')
const now = () => Number(process.hrtime.bigint()) / 1e9

function add(outcome, { choices, usage }) {
  for (const { delta, message, finish_reason } of choices) {
    outcome.text += (delta ?? message).content ?? ''
    outcome.finish = finish_reason ?? outcome.finish
  }
  outcome.usage = usage?.total_tokens ?? outcome.usage
}

async function readStream(stream, outcome, abortAfter) {
  let count = 0
  for await (const chunk of stream) {
    add(outcome, chunk)
    print('chunk')
    count += 1
    if (count === abortAfter) {
      outcome.aborted_at = now()
      stream.controller.abort()
    }
  }
}

async function perform(ask, outcome) {
  const client = new OpenAI({ baseURL, apiKey: ask.key, maxRetries: 0, timeout: ask.timeout * 1000 })
  if (ask.call === 'list') await client.chat.completions.list()
  else if (ask.call === 'models') await client.models.list()
  else if (ask.call === 'malformed') {
    await client.post('/chat/completions', { body: '{', headers: { 'content-type': 'application/json' } })
  } else if (ask.stream) await readStream(await client.chat.completions.create(ask.body), outcome, ask.abort_after)
  else add(outcome, await client.chat.completions.create(ask.body))
}

for (const ask of JSON.parse(asks)) {
  const outcome = { text: '', finish: null, usage: null, error: null, aborted_at: 0 }
  await perform(ask, outcome).catch((error) => {
    const message = error.message.replace(`${error.status} `, '')
    outcome.error = [error.constructor.name, error.status ?? null, message]
    outcome.aborted_at = now()
  })
  print(outcome)
}
