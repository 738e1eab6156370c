"""The page on streams that answer a POST: its JavaScript, in node, and its Python with httpx, over sockets."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import httpx_sse
import pytest
import trio

from trio_sse import App, EventStream, Post, StreamOptions

from .limits import within
from .programs import running
from .requirements import needs
from .serving import serving

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs/how-to/post-streams.md"
[SCRIPT] = re.findall(r"^```js\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

READ = """
for (const path of ['finishes', 'fails', 'breaks-off', 'refuses']) {
  const said = []
  try {
    for await (const { word } of ask(process.argv[2] + path, { text: 'why not' })) said.push(word)
  } catch (error) {
    said.push(`${error.name}: ${error.message}`)
  }
  console.log(JSON.stringify(said))
}
"""

SAID = {
    "finishes": ["why", "not"],
    "fails": ["why", "not", "Error: Internal Server Error"],
    "breaks-off": ["why", "not", "TypeError: terminated"],
    "refuses": ["Error: the server has answered with 422"],
}


async def words(text: str) -> AsyncIterator[Any]:
    for word in text.split():
        yield {"data": {"word": word}}


async def failing(text: str) -> AsyncIterator[Any]:
    async for event in words(text):
        yield event
    raise LookupError("secret")


async def endless(text: str) -> AsyncIterator[Any]:
    async for event in words(text):
        yield event
    await trio.sleep_forever()


def stream_of(source: Any, options: StreamOptions | None = None) -> Any:
    return lambda body: EventStream(source(body["text"]), options=options)


APP = App().add(
    Post("/finishes").body(dict[str, str]).handle(stream_of(words)),
    Post("/fails").body(dict[str, str]).handle(stream_of(failing)),
    Post("/breaks-off").body(dict[str, str]).handle(stream_of(endless, StreamOptions(lifetime=0.2))),
    Post("/refuses").body(dict[str, int]).handle(stream_of(words)),
)


@within(15)
async def test_the_pages_javascript_reads_a_stream_and_sees_how_it_has_ended(
    node_modules: Path, tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(node_modules)
    script = tmp_path / "ask.mjs"
    script.write_text(SCRIPT + READ, encoding="utf-8")
    async with serving(APP) as server, running(needs("node"), str(script), f"{server.url}/") as program:
        for path, said in SAID.items():
            assert (path, json.loads(await program.line())) == (path, said)
        assert await program.wait() == 0


@within(10)
@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
async def test_httpx_raises_an_error_where_a_stream_breaks_off() -> None:
    received: list[httpx_sse.ServerSentEvent] = []
    async with serving(APP) as server, httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=5) as client:

        async def read(path: str) -> None:
            async with (
                httpx_sse.aconnect_sse(client, "POST", path, json={"text": "why not"}) as source,
                aclosing(source.aiter_sse()) as events,
            ):
                async for event in events:
                    received.append(event)

        await read("/finishes")
        assert [event.json() for event in received] == [{"word": "why"}, {"word": "not"}]
        for path in ("/fails", "/breaks-off"):
            received.clear()
            with pytest.raises(httpx.RemoteProtocolError):
                await read(path)
            assert [event.json()["word"] for event in received[:2]] == ["why", "not"]
            assert [event.event for event in received[2:]] == (["stream-error"] if path == "/fails" else [])
