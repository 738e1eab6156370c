"""The examples with pages, in memory. (In a browser: end_to_end.test_htmx, test_datastar, test_fetch, test_login.)"""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from examples import datastar_search, fetch_answers, htmx_guestbook, login
from trio_sse import App
from trio_sse.testing import TestClient

EVENTS = {"accept": "text/event-stream"}
PAGE = {"accept": "text/html"}
ADA = {"name": "ada", "password": "difference"}


async def test_the_guestbook_sends_what_a_client_has_missed(autojump_clock: MockClock) -> None:
    async with TestClient(htmx_guestbook.app, headers=EVENTS) as client:
        for text in ("<a>", "b", "c"):
            assert (await client.post("/entries", form={"text": text})).status == 204
        async with client.stream("/entries") as stream:
            whole = await stream.event()
        assert (whole.event, whole.id, whole.data) == ("all", "3", "<li>&lt;a&gt;</li><li>b</li><li>c</li>")
        async with client.stream("/entries", headers={"last-event-id": "1"}) as stream:
            assert [(each.event, each.id, each.data) for each in await stream.events(2)] == [
                ("entry", "2", "<li>b</li>"),
                ("entry", "3", "<li>c</li>"),
            ]


@pytest.mark.parametrize(
    ("app", "path"),
    [(htmx_guestbook.app, "/entries"), (datastar_search.app, "/search"), (login.app, "/login"), (login.app, "/logout")],
)
async def test_pages_of_other_sites_may_not_post(app: App, path: str) -> None:
    async with TestClient(app, headers={"origin": "https://evil.example"}) as client:
        assert (await client.post(path, form=ADA)).status == 403


async def test_the_search_begins_its_stream_with_the_number(autojump_clock: MockClock) -> None:
    async with TestClient(datastar_search.app) as client:
        reply = await client.post("/search", json={"text": "<script>", "searches": 0})
        assert reply.body == b'<ul id="found"></ul>'
        async with client.stream("/searches", headers=EVENTS) as stream:
            assert (await stream.event()).data == 'signals {"searches":1}'


async def test_an_answer_needs_a_token(autojump_clock: MockClock) -> None:
    client = TestClient(fetch_answers.app)
    assert (await client.post("/answers", json={"question": "Tea?"})).status == 401
    reply = await client.post("/answers", json={"question": "Tea?"}, headers={"authorization": "Bearer 4f1c0d"})
    assert reply.body.count(b"\n\n") == 6


async def test_a_session_opens_the_stream_and_other_cookies_do_not(autojump_clock: MockClock) -> None:
    async with TestClient(login.app, headers=PAGE) as client:
        found = (await client.post("/login", form=ADA)).headers["set-cookie"].partition(";")[0]
        async with client.stream("/visits", headers=EVENTS | {"cookie": found}) as stream:
            assert (await stream.event()).data == "ada"
        for cookie in (found[:-9] + "forged", f"{login.COOKIE}=x", "other=1"):
            reply = await client.get("/visits", headers=EVENTS | {"cookie": cookie})
            assert (reply.status, reply.headers["content-type"]) == (401, "application/problem+json")
            reply = await client.get("/", headers={"cookie": cookie})
            assert (reply.status, reply.headers["location"]) == (303, "/login")
