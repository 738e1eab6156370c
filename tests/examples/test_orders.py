"""examples/orders over HTTP, in memory, on SQLite. (As a program: end_to_end/test_orders.)"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from end_to_end.limits import within
from examples.orders.app import create_app
from examples.orders.database import DatabaseSettings
from trio_sse.testing import TestClient

ADA = {"authorization": "Bearer ada-token"}
BOB = {"authorization": "Bearer bob-token"}
CLERK = {"authorization": "Bearer clerk-token"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient]:
    async with TestClient(create_app(DatabaseSettings(f"sqlite:///{tmp_path}/orders.db"))) as client:
        yield client


@within(10)
async def test_an_order_is_placed_where_its_location_says(client: TestClient) -> None:
    placed = await client.post("/orders", {"item": "Assam", "quantity": 2}, headers=ADA)
    order = {"id": 1, "customer": "ada", "item": "Assam", "quantity": 2, "status": "open"}
    assert (placed.status, placed.json(), placed.headers["location"]) == (201, order, "/orders/1")
    assert (await client.get("/orders/1", headers=ADA)).json() == order


@within(10)
async def test_customers_see_their_own_orders_and_a_clerk_all(client: TestClient) -> None:
    for headers in (ADA, BOB, ADA):
        await client.post("/orders", {"item": "Assam"}, headers=headers)
    seen = {}
    for name, headers in {"ada": ADA, "bob": BOB, "clerk": CLERK}.items():
        seen[name] = [order["id"] for order in (await client.get("/orders", headers=headers)).json()]
    assert seen == {"ada": [3, 1], "bob": [2], "clerk": [3, 2, 1]}


@within(10)
async def test_who_it_is_comes_first_then_what_there_is_then_who_may(client: TestClient) -> None:
    await client.post("/orders", {"item": "Assam"}, headers=ADA)
    for path in ("/orders/1", "/orders/1/events"):
        assert (await client.get(path)).status == 401
        assert (await client.get(path, headers=BOB)).status == 403
    assert (await client.get("/orders/2/events", headers=ADA)).status == 404
    assert (await client.post("/orders/1", {"status": "paid"}, headers=ADA)).status == 403
    assert (await client.post("/orders/2", {"status": "paid"}, headers=ADA)).status == 403  # no word of which exist
    assert (await client.post("/orders/1", {"status": "shipped"}, headers=CLERK)).status == 409
    assert (await client.post("/orders", {"item": ""}, headers=ADA)).status == 422


@within(10)
async def test_a_follower_gets_the_order_and_then_what_happens_to_it(client: TestClient) -> None:
    for _ in range(2):
        await client.post("/orders", {"item": "Assam"}, headers=ADA)
    async with client.stream("/orders/1/events", headers=ADA) as stream:
        first = await stream.event()
        assert (first.event, '"status":"open"' in str(first.data)) == ("order", True)
        assert (await client.post("/orders/2", {"status": "paid"}, headers=CLERK)).status == 200
        assert (await client.post("/orders/1", {"status": "paid"}, headers=CLERK)).json()["status"] == "paid"
        second = await stream.event()
        assert (second.event, second.data) == ("status", '{"status":"paid"}')
        assert (await client.post("/orders/1", {"status": "open"}, headers=CLERK)).status == 409
        assert stream.pending() == []
