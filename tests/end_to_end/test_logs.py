"""The logs of a server: what a client sends cannot control the terminal that shows them, nor forge a line."""

from __future__ import annotations

from trio_sse import App, Get, Headers

from .limits import within
from .programs import process
from .sockets import connected


def fail(what: str, headers: Headers) -> None:
    raise LookupError(f"there is no {what} for {headers['user-agent']}")


FAILING = App().add(Get("/:what").handle(fail))

REQUEST = b"GET %b HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: \x9d0;title\x9c\x9b2J\r\nreferer: \x9b31m\r\n\r\n"
PATHS = (b"/caf%C3%A9%E2%80%AE", b"/%1b[31m%0a%0dx?%1b", b"/%C2%9b%E2%80%A8")
LAYOUT = '%(h)s "%(r)s" %(s)s "%(Uq)s" "%(f)s" "%(a)s"'


@within(20)
async def test_each_line_can_be_printed() -> None:
    options = ("--accesslog", "-", "--access-log-format", LAYOUT)
    async with process("trio-sse", "end_to_end.test_logs:FAILING", *options) as server:
        for path in PATHS:
            async with connected(server.port) as peer:
                await peer.send(REQUEST % path)
                assert (await peer.head()).status in (400, 500)
                await server.line_with(r"127\.0\.0\.1:\d+ \"GET")
        server.terminate()
        assert await server.wait() == 0
    assert all(line.isprintable() for line in server.output), server.text
    assert r"LookupError: there is no café\u202e for \x9d0;title\x9c\x9b2J" in server.text
    assert r'"GET /\x1b[31m\n\rx 1.1" 400' in server.text
