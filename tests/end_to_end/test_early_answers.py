"""An answer that is given while the client is still sending reaches it."""

from __future__ import annotations

import http.client
import ssl
from functools import partial
from typing import Any

import httpx
import pytest
import trio

from trio_sse import App, Get, Post

from .limits import within
from .serving import Certificate, Server, serving
from .sockets import connected

BODY = bytes(50_000_000)
JSON = {"content-type": "application/json"}


def take(body: list[int]) -> int:
    return len(body)


APP = App().add(Post("/small").body(list[int], max_size=1000).handle(take), Get("/").handle(lambda: 1))


def post_with_http_client(server: Server, path: str, context: ssl.SSLContext | None) -> int:
    if context is None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=context)
    try:
        connection.request("POST", path, BODY, JSON)
        response = connection.getresponse()
        assert response.read()
        return response.status
    finally:
        connection.close()


def post_with_httpx(server: Server, path: str, context: ssl.SSLContext | None) -> int:
    with httpx.Client(trust_env=False, timeout=10, verify=context or False) as client:
        return client.post(f"{server.url}{path}", content=BODY, headers=JSON).status_code


@pytest.mark.parametrize(("path", "status"), [("/small", 413), ("/nowhere", 404), ("/", 405)])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("post", [post_with_http_client, post_with_httpx])
@within(20)
async def test_a_client_that_sends_much_reads_the_answer(
    certificate: Certificate, post: Any, encrypted: bool, path: str, status: int
) -> None:
    async with serving(APP, certificate=certificate if encrypted else None) as server:
        context = certificate.context() if encrypted else None
        for _ in range(3):
            assert await trio.to_thread.run_sync(partial(post, server, path, context)) == status


@within(10)
async def test_a_client_that_stays_delays_no_shutdown() -> None:
    async with serving(APP) as server, connected(server.port) as peer:
        await peer.send(b"POST /nowhere HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 50000000\r\n\r\nx")
        assert (await peer.head()).status == 404
        await peer.ended()
        with trio.fail_after(0.9):
            await server.shut_down()
