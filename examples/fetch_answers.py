"""A page that asks by POST, with a token, and shows the answer while it comes: @microsoft/fetch-event-source.

Start it from the project's root:

    trio-sse run examples.fetch_answers:app

Then open http://127.0.0.1:8000/ and ask.
"""

from __future__ import annotations

import attrs
import trio

from trio_sse import SSE, App, Events, Get, Response, run
from trio_sse.auth import bearer, fixed_secrets

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Ask</title>

<form>
  <input name="token" value="4f1c0d">
  <input name="question" required>
  <button>Ask</button>
</form>
<output></output>

<script type="module">
  import { fetchEventSource } from "https://cdn.jsdelivr.net/npm/@microsoft/fetch-event-source@2.0.1/+esm"

  const form = document.forms[0], output = document.querySelector("output")

  const ask = () => fetchEventSource("/answers", {
    method: "POST",
    headers: { "Authorization": `Bearer ${form.token.value}`, "Content-Type": "application/json" },
    body: JSON.stringify({ question: form.question.value }),
    openWhenHidden: true,
    async onopen(response) {
      if (!response.ok) throw new Error((await response.json()).title)
    },
    onmessage(message) {
      const data = JSON.parse(message.data)
      if (message.event === "stream-error") throw new Error(data.title)
      output.value += data.text
    },
    onerror(error) { throw error },
  })

  form.onsubmit = (submitted) => {
    submitted.preventDefault()
    output.value = ""
    ask().catch((error) => { output.value += `[${error.message}]` })
  }
</script>
"""


@attrs.frozen
class Question:
    """The body of the POST."""

    question: str


def page() -> Response:
    """The page."""
    return Response(PAGE, media_type="text/html; charset=utf-8")


async def answer(body: Question) -> Events:
    """The answer, word by word. If the page leaves, this ends at once, with all that it has started."""
    for word in f"You ask: {body.question} Let me think.".split():
        yield {"data": {"text": f"{word} "}}
        await trio.sleep(0.05)


def make_app(heartbeat: float = 15) -> App:
    """Make the app, with a heartbeat after so many seconds without an event."""
    user = bearer(fixed_secrets({"4f1c0d": "ada"}))
    return App().add(
        Get("/").handle(page),
        SSE("/answers", method="POST").heartbeat(heartbeat).use(user=user).body(Question).handle(answer),
    )


app = make_app()

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
