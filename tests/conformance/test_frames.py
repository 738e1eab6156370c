"""The table of the page on clients: what clients in Python make of the frames that the library sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import httpx2
import httpx_sse
import pytest
import sseclient
from anthropic._streaming import SSEDecoder as AnthropicDecoder
from openai._streaming import SSEDecoder as OpenAIDecoder

from trio_sse._http.event_stream import DONE, EXPIRED, retry_frame
from trio_sse._runtime.heartbeat import HEARTBEAT
from trio_sse.wire import Decoder, encode

from .frames import AFTER, CLIENTS, FRAMES, Dispatched, Seen, check, table

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "clients.md"
HEADERS = {"content-type": "text/event-stream"}

Read = Callable[[Sequence[bytes]], Seen]


class Chunks(httpx.SyncByteStream, httpx2.SyncByteStream):
    """A body that is received in parts."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks


def dispatched(event: Any) -> Dispatched:
    return Dispatched(event.event or "message", event.data, event.id or "")


def by_trio_sse(chunks: Sequence[bytes]) -> Seen:
    decoder = Decoder()
    return tuple(dispatched(event) for chunk in chunks for event in decoder.feed(chunk))


def by_openai(chunks: Sequence[bytes]) -> Seen:
    return tuple(map(dispatched, OpenAIDecoder().iter_bytes(iter(chunks))))


def by_anthropic(chunks: Sequence[bytes]) -> Seen:
    return tuple(map(dispatched, AnthropicDecoder().iter_bytes(iter(chunks))))


def by_httpx_sse(chunks: Sequence[bytes]) -> Seen:
    response = httpx.Response(200, headers=HEADERS, stream=Chunks(chunks))
    return tuple(map(dispatched, httpx_sse.EventSource(response).iter_sse()))


def by_httpx2(chunks: Sequence[bytes]) -> Seen:
    request = httpx2.Request("GET", "http://server/")
    response = httpx2.Response(200, headers=HEADERS, stream=Chunks(chunks), request=request)
    return tuple(map(dispatched, httpx2.EventSource(response)))


def by_sseclient(chunks: Sequence[bytes]) -> Seen:
    return tuple(map(dispatched, sseclient.SSEClient(iter(chunks)).events()))


READERS: dict[str, Read] = {
    "openai": by_openai,
    "anthropic": by_anthropic,
    "httpx-sse": by_httpx_sse,
    "httpx2": by_httpx2,
    "sseclient-py": by_sseclient,
    "trio_sse": by_trio_sse,
}


def cut(stream: bytes, size: int) -> list[bytes]:
    return [stream[at : at + size] for at in range(0, len(stream), size)]


@pytest.mark.parametrize("size", [1, 7, 4099, 10**6])
@pytest.mark.parametrize("client", READERS)
def test_a_client_dispatches_what_the_table_says(client: str, size: int) -> None:
    after = encode({"event": AFTER.name, "data": AFTER.data})
    streams = [HEARTBEAT + frame.wire + after for frame in FRAMES]
    sizes = [max(size, len(stream) // 1000) for stream in streams]
    check(client, [READERS[client](cut(stream, size)) for stream, size in zip(streams, sizes, strict=True)])


def test_no_client_stumbles_over_a_frame_that_the_library_itself_sends() -> None:
    ours = {frame.name for frame in FRAMES if frame.ours}
    assert not [client for client, differences in CLIENTS.items() if ours & differences.keys()]
    assert {HEARTBEAT, retry_frame(5), DONE, EXPIRED} <= {frame.wire for frame in FRAMES if frame.ours}


def test_differences_are_those_of_frames() -> None:
    names = [frame.name for frame in FRAMES]
    assert len(set(names)) == len(names)
    assert {name for differences in CLIENTS.values() for name in differences} <= set(names)


def test_the_page_shows_the_table() -> None:
    assert table() in PAGE.read_text("utf-8")
