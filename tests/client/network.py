"""A network in memory, below httpcore2: connections that stop at a chosen step, with all of httpcore2's own waits."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any, NoReturn

import httpcore2
import httpx2
import trio


class Step(Enum):
    """The steps of a connection, in their order."""

    TCP = auto()
    TLS = auto()
    REQUEST = auto()
    HEADERS = auto()
    BODY = auto()


class Network(httpcore2.AsyncNetworkBackend):
    """Makes connections that never get past one of their steps.

    Attributes:
        stop: The step.
        open: How many sockets are open.
        connected: How many have been made.
    """

    def __init__(self, stop: Step) -> None:
        self.stop = stop
        self.open = 0
        self.connected = 0

    def client(self) -> httpx2.AsyncClient:
        transport = httpx2.AsyncHTTPTransport()
        transport._pool = httpcore2.AsyncConnectionPool(network_backend=self)  # httpx2 has no option for it
        return httpx2.AsyncClient(transport=transport)

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        await self.reach(Step.TCP)
        self.open += 1
        self.connected += 1
        return _Socket(self)

    async def reach(self, step: Step) -> None:
        """Go on, or wait forever at the last step."""
        await trio.lowlevel.checkpoint()
        if step is self.stop:
            await trio.sleep_forever()


class _Socket(httpcore2.AsyncNetworkStream):
    def __init__(self, network: Network) -> None:
        self._network = network
        self._answer = [
            (Step.HEADERS, b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"),
            (Step.BODY, b"9\r\ndata: a\n\n\r\n"),
        ]
        self._closed = False

    async def start_tls(self, *_: Any, **__: Any) -> httpcore2.AsyncNetworkStream:
        await self._network.reach(Step.TLS)
        return self

    async def write(self, *_: Any, **__: Any) -> None:
        await self._network.reach(Step.REQUEST)

    async def read(self, *_: Any, **__: Any) -> bytes:
        if not self._answer:
            await trio.sleep_forever()
        step, content = self._answer.pop(0)
        await self._network.reach(step)
        return content

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._network.open -= 1
        await trio.lowlevel.checkpoint()

    def get_extra_info(self, info: str) -> Any:
        return None


class NoAnswer(trio.abc.HostnameResolver):
    """A resolver of host names that never answers."""

    async def getaddrinfo(self, *_: Any, **__: Any) -> NoReturn:
        await trio.sleep_forever()
        raise AssertionError("unreachable")

    async def getnameinfo(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError
