"""examples/orders as a program of its own: over real sockets, killed and started again, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import httpx_sse
import pytest

from .limits import within
from .postgres import PostgresServer
from .programs import TESTS, Program, running

ADA = {"authorization": "Bearer ada-token"}
CLERK = {"authorization": "Bearer clerk-token"}
SERVE = "from trio_sse import run; from examples.orders.app import app; run(app, bind='127.0.0.1:0')"

pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the orders are kept."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/orders.db"
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    with postgres.database() as name:
        yield postgres.url(name)


@asynccontextmanager
async def serving_orders(url: str) -> AsyncIterator[tuple[Program, httpx.AsyncClient]]:
    """The program, and a client of it."""
    async with running(sys.executable, "-c", SERVE, cwd=TESTS.parent, environment={"ORDERS_DATABASE": url}) as program:
        found = await program.line_with(r"Running on (http://127\.0\.0\.1:\d+)")
        async with httpx.AsyncClient(base_url=found[1], trust_env=False, timeout=10) as client:
            yield program, client


@within(60)
async def test_orders_are_there_after_a_restart_and_are_followed_again(url: str) -> None:
    async with serving_orders(url) as (program, client):
        placed = await client.post("/orders", json={"item": "Assam"}, headers=ADA)
        assert (placed.status_code, placed.headers["location"]) == (201, "/orders/1")
        async with httpx_sse.aconnect_sse(client, "GET", "/orders/1/events", headers=ADA) as source:
            events = source.aiter_sse()
            assert json.loads((await anext(events)).data)["status"] == "open"
            await client.post("/orders/1", json={"status": "paid"}, headers=CLERK)
            assert json.loads((await anext(events)).data) == {"status": "paid"}
        program.terminate()
        assert await program.wait() == 0
    async with serving_orders(url) as (program, client):
        assert [order["status"] for order in (await client.get("/orders", headers=ADA)).json()] == ["paid"]
        async with httpx_sse.aconnect_sse(client, "GET", "/orders/1/events", headers=ADA) as source:
            assert json.loads((await anext(source.aiter_sse())).data)["status"] == "paid"
        assert (await client.get("/orders/1/events")).status_code == 401


@within(60)
async def test_what_has_been_answered_outlives_a_kill(url: str) -> None:
    async with serving_orders(url) as (program, client):
        for item in ("Assam", "Sencha"):
            assert (await client.post("/orders", json={"item": item}, headers=ADA)).status_code == 201
        program.process.kill()
        await program.process.wait()
    async with serving_orders(url) as (program, client):
        assert [order["item"] for order in (await client.get("/orders", headers=ADA)).json()] == ["Sencha", "Assam"]
