"""The parts of our own worker by themselves. (Together, over sockets: end_to_end/test_worker and test_http2.)"""

from __future__ import annotations

import errno
import logging
import math
import os
import resource
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
import trio
from hypercorn.protocol.http_stream import ASGIHTTPState
from hypercorn.trio.worker_context import EventWrapper
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse._ground.writes import time_for
from trio_sse._runtime.server_extension import Drain, ServerExtension
from trio_sse._server import contract as _contract
from trio_sse._server.accepting import accept_all
from trio_sse._server.connection_limit import RESERVED, ConnectionLimit
from trio_sse._server.http2 import Buffer
from trio_sse._server.hypercorn_http1 import ChunkWriter
from trio_sse._server.listeners import set_keep_alive

# -- the contract with hypercorn


def test_the_hypercorn_that_is_installed_keeps_the_contract() -> None:
    assert _contract.misfits() == ""


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("trio.tcp_server:TCPServer._close", "self how"),
        ("trio.tcp_server:TCPServer._gone", "self"),
        ("trio.nowhere:TCPServer._close", "self"),
    ],
    ids=["other parameters", "no such function", "no such module"],
)
def test_a_function_that_differs_is_named(place: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_contract, "SIGNATURES", {**_contract.SIGNATURES, place: expected})
    assert _contract.misfits() == place


def test_an_attribute_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "protocol.h2:StreamBuffer"
    monkeypatch.setattr(_contract, "ATTRIBUTES", {place: "buffer _gone _paused", "protocol.nowhere:Stream": "closed"})
    assert _contract.misfits() == f"{place}._gone, protocol.nowhere:Stream.closed"


# -- the ASGI extension


@pytest.mark.parametrize(
    ("size", "times"), [(0, 1), (1, 1), (65_536, 1), (65_537, 2), (131_072, 2), (131_073, 3), (10 * 65_536, 10)]
)
def test_a_write_may_take_its_time_for_each_64_kib(size: int, times: int) -> None:
    assert time_for(30, size) == 30 * times
    assert time_for(math.inf, size) == math.inf


def take(_data: bytes) -> bool:
    return True


class Server:
    """Has a `send`, whose bound method is a new object each time."""

    async def send(self, message: Any) -> None:
        """Nothing."""


def test_the_direct_write_is_for_an_app_that_has_the_servers_own_send() -> None:
    server = Server()
    link = ServerExtension(Drain(), try_write=take, send=server.send)
    assert link.direct_writer(server.send) is take


def test_the_direct_write_does_not_bypass_a_middleware() -> None:
    server = Server()

    async def wrapped(message: Any) -> None:
        await server.send(message)

    link = ServerExtension(Drain(), try_write=take, send=server.send)
    assert link.direct_writer(wrapped) is None
    assert link.direct_writer(Server().send) is None
    assert ServerExtension(Drain(), send=server.send).direct_writer(server.send) is None, "there is none"


# -- the direct write to the socket


@attrs.define
class Socket:
    """Accepts what is written, or does not."""

    takes: bool = True
    written: list[bytes] = attrs.field(factory=list)
    has_rest: bool = False

    async def write_rest(self) -> None:
        raise AssertionError("nothing is left")

    def abort(self) -> None:
        raise AssertionError("nothing is wrong")

    def try_write(self, data: bytes) -> bool:
        self.written.append(data)
        return self.takes


def response(*headers: tuple[bytes, bytes], state: ASGIHTTPState = ASGIHTTPState.RESPONSE, closed: bool = False) -> Any:
    return SimpleNamespace(closed=closed, state=state, response={"headers": headers})


@pytest.mark.parametrize("takes", [True, False])
def test_a_part_is_written_as_one_chunk(takes: bool) -> None:
    tcp = Socket(takes)
    assert ChunkWriter(tcp, response((b"content-type", b"text/plain")))(b"x" * 26) is takes
    assert tcp.written == [b"1a\r\n" + b"x" * 26 + b"\r\n"]


@pytest.mark.parametrize(
    "stream",
    [
        response(closed=True),
        response(state=ASGIHTTPState.REQUEST),
        response(state=ASGIHTTPState.CLOSED),
        response((b"Content-Length", b"5")),
    ],
    ids=["closed", "not started", "ended", "with a length"],
)
def test_nothing_is_written_where_a_chunk_is_not_allowed(stream: Any) -> None:
    tcp = Socket()
    assert ChunkWriter(tcp, stream)(b"01234") is False
    assert tcp.written == []


def test_an_empty_part_is_not_written() -> None:
    """It would end the body."""
    tcp = Socket()
    assert ChunkWriter(tcp, response())(b"") is False
    assert tcp.written == []


# -- what a stream of HTTP/2 has yet to send


def buffer_of(size: int) -> Buffer:
    buffer = Buffer(EventWrapper)
    buffer.buffer.extend(b"x" * size)
    return buffer


async def waits(function: Callable[[], Any]) -> bool:
    """Whether an async function is still at it when nothing else happens."""
    with trio.move_on_after(1) as limit:
        await function()
    return limit.cancelled_caught


async def test_there_is_room_below_32_kib(autojump_clock: MockClock) -> None:
    assert not await waits(buffer_of(0).room)
    assert not await waits(buffer_of(32 * 1024 - 1).room)
    assert await waits(buffer_of(32 * 1024).room)


async def test_there_is_room_again_when_half_of_it_has_gone(autojump_clock: MockClock) -> None:
    buffer = buffer_of(40 * 1024)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(buffer.room)
        for _ in range(3):
            await wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == 1
            assert len(await buffer.pop(8 * 1024)) == 8 * 1024
        assert len(await buffer.pop(1)) == 1
        await wait_all_tasks_blocked()
        assert not nursery.child_tasks


async def test_taking_nothing_makes_no_room(autojump_clock: MockClock) -> None:
    buffer = buffer_of(32 * 1024)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(buffer.room)
        for _ in range(3):
            await wait_all_tasks_blocked()
            assert await buffer.pop(0) == b""
        await wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        nursery.cancel_scope.cancel()


async def test_closing_it_ends_all_waits(autojump_clock: MockClock) -> None:
    buffer = buffer_of(40 * 1024)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(buffer.room)
            nursery.start_soon(buffer.drain)
            await wait_all_tasks_blocked()
            await buffer.close()
    await buffer.push(b"too late")
    assert buffer.complete


async def test_it_is_drained_when_all_has_gone(autojump_clock: MockClock) -> None:
    buffer = Buffer(EventWrapper)
    await buffer.push(b"abc")
    assert await waits(buffer.drain)
    assert await buffer.pop(2) == b"ab"
    assert await waits(buffer.drain)
    assert await buffer.pop(2) == b"c"
    assert not await waits(buffer.drain)


# -- the limit of connections


def test_the_last_connections_are_for_refusals() -> None:
    limit = ConnectionLimit(16)
    crowded: list[bool] = []
    for _ in range(16):
        limit.acquire()
        crowded.append(limit.overloaded)
    assert crowded == [False] * 14 + [True] * 2
    limit.release()
    limit.release()
    assert not limit.overloaded


@pytest.mark.parametrize(("limit", "refusals"), [(1, 1), (7, 1), (80, 10), (512, 64), (100_000, 64)])
def test_there_are_not_many_connections_for_refusals(limit: int, refusals: int) -> None:
    assert ConnectionLimit(limit).for_refusals == refusals


@pytest.mark.parametrize(("left", "limit"), [(1000, 1000 - RESERVED), (10, 1)])
def test_without_a_limit_the_files_that_may_be_opened_are_one(
    left: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "listdir", lambda _: ["a", "b", "c"])
    monkeypatch.setattr(resource, "getrlimit", lambda _: (left + 3, left + 3))
    assert ConnectionLimit().limit == limit


def test_no_limit_of_open_files_is_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert ConnectionLimit().limit > 1_000_000


async def test_the_end_of_a_connection_is_waited_for(autojump_clock: MockClock) -> None:
    limit = ConnectionLimit(1)
    assert not await waits(limit.wait_until_below)
    limit.acquire()
    assert await waits(limit.wait_until_below)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(limit.wait_until_below)
            await wait_all_tasks_blocked()
            limit.release()


async def test_a_release_is_waited_for_but_not_for_long(autojump_clock: MockClock) -> None:
    limit = ConnectionLimit(1)
    await limit.wait_for_a_release(5)
    assert trio.current_time() == 5
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limit.wait_for_a_release, 5)
        await wait_all_tasks_blocked()
        limit.acquire()
        limit.release()
    assert trio.current_time() == 5


# -- accepting


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=1)


@attrs.define
class Acceptor:
    """Closes each connection, and records whether it was to be refused."""

    limit: ConnectionLimit
    refused: list[bool] = attrs.field(factory=list)
    accepted: trio.Event = attrs.field(factory=trio.Event)

    def on_accept(self, client: socket.socket, overloaded: bool) -> None:
        client.close()
        self.refused.append(overloaded)
        self.accepted.set()


async def test_each_connection_counts_and_the_last_are_refused(listener: socket.socket) -> None:
    acceptor = Acceptor(ConnectionLimit(4))
    clients = [connect(listener) for _ in range(6)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_all, listener, acceptor.limit, acceptor.on_accept)
        await wait_all_tasks_blocked(0.01)
        assert acceptor.refused == [False, False, False, True], "the others wait in the kernel's queue"
        acceptor.limit.release()
        await wait_all_tasks_blocked(0.01)
        assert acceptor.refused == [False, False, False, True, True]
        assert acceptor.limit.count == 4
        nursery.cancel_scope.cancel()
    for client in clients:
        client.close()


async def test_what_waits_in_the_queue_when_accepting_ends_is_accepted(listener: socket.socket) -> None:
    acceptor = Acceptor(ConnectionLimit(16))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_all, listener, acceptor.limit, acceptor.on_accept)
        await wait_all_tasks_blocked(0.01)
        clients = [connect(listener) for _ in range(3)]
        nursery.cancel_scope.cancel()
    assert acceptor.refused == [False] * 3
    for client in clients:
        client.close()


class FailingListener:
    """A listening socket on which accepting fails a few times."""

    def __init__(self, listener: socket.socket, *errors: OSError) -> None:
        self._listener = listener
        self._errors = list(errors)
        self.tries: list[float] = []

    def accept(self) -> Any:
        self.tries.append(trio.current_time())
        if self._errors:
            raise self._errors.pop(0)
        return self._listener.accept()

    def fileno(self) -> int:
        return self._listener.fileno()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_a_lack_of_descriptors_is_logged_and_waited_out(
    number: int, listener: socket.socket, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    failing: Any = FailingListener(listener, *(OSError(number, "none left") for _ in range(3)))
    acceptor, client = Acceptor(ConnectionLimit(4)), connect(listener)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_all, failing, acceptor.limit, acceptor.on_accept)
        with trio.fail_after(10):
            await acceptor.accepted.wait()
        nursery.cancel_scope.cancel()
    assert failing.tries[:4] == [0, 1, 2, 3], "once a second, not all the time"
    lines = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert lines == [(logging.WARNING, "no connection can be accepted for now: none left")] * 3
    client.close()


async def test_a_lack_of_descriptors_ends_when_a_connection_is_closed(
    listener: socket.socket, autojump_clock: MockClock
) -> None:
    failing: Any = FailingListener(listener, OSError(errno.EMFILE, "none left"))
    acceptor, client = Acceptor(ConnectionLimit(4)), connect(listener)
    acceptor.limit.acquire()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_all, failing, acceptor.limit, acceptor.on_accept)
        await wait_all_tasks_blocked()
        assert failing.tries == [0]
        acceptor.limit.release()
        await wait_all_tasks_blocked(0.01)
        assert acceptor.refused == [False]
        assert trio.current_time() < 1
        nursery.cancel_scope.cancel()
    client.close()


@pytest.mark.parametrize("error", [ConnectionAbortedError(), InterruptedError()], ids=repr)
async def test_a_client_that_has_gone_already_is_not_an_error(
    error: OSError, listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    failing: Any = FailingListener(listener, error)
    acceptor, client = Acceptor(ConnectionLimit(4)), connect(listener)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_all, failing, acceptor.limit, acceptor.on_accept)
        await wait_all_tasks_blocked(0.01)
        assert (acceptor.refused, acceptor.limit.count) == ([False], 1)
        nursery.cancel_scope.cancel()
    assert caplog.records == []
    client.close()


async def test_any_other_error_of_accepting_is_raised(listener: socket.socket) -> None:
    failing: Any = FailingListener(listener, *[OSError(errno.EBADF, "bad descriptor")] * 2)
    with pytest.raises(OSError, match="bad descriptor"):
        await accept_all(failing, ConnectionLimit(4), lambda *_: None)


def test_connections_inherit_the_search_for_clients_that_have_vanished(listener: socket.socket) -> None:
    set_keep_alive(listener, 7.5)
    with connect(listener):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            options = [
                accepted.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            ]
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert options == [7500, 2, 2, 3]
