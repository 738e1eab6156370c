// Chats as AI SDK's `useChat` does, which is a hook around the same class. Prints JSON, a line for each chat: its status
// at the end, the error, if there is one, and the texts of all messages. Arguments: the server's URL; what is said, in a
// chat for each; "stop" is stopped when the answer begins.
import { AbstractChat, DefaultChatTransport } from 'ai'

const [url, ...said] = process.argv.slice(2)
const headers = []

class State {
  status = 'ready'
  error = undefined
  messages = []
  pushMessage = (message) => this.messages.push(message)
  popMessage = () => this.messages.pop()
  replaceMessage = (index, message) => (this.messages[index] = message)
  snapshot = (value) => structuredClone(value)
}

class Chat extends AbstractChat {
  async stopWhenItAnswers() {
    while (!this.texts()[1]) await new Promise((resolve) => setTimeout(resolve, 10))
    await this.stop()
  }

  texts() {
    return this.messages.map(({ parts }) => parts.map(({ text }) => text).join(''))
  }
}

const fetchAndNote = async (...request) => {
  const response = await fetch(...request)
  headers.push(response.headers.get('x-vercel-ai-ui-message-stream'))
  return response
}

for (const text of said) {
  const chat = new Chat({ state: new State(), transport: new DefaultChatTransport({ api: url, fetch: fetchAndNote }) })
  const answered = chat.sendMessage({ text })
  if (text === 'stop') await chat.stopWhenItAnswers()
  await answered
  const outcome = { status: chat.status, error: chat.error?.message ?? null, texts: chat.texts(), version: headers.pop() }
  process.stdout.write(JSON.stringify(outcome) + '\n')
}
