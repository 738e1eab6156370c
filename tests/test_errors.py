"""The tree of exceptions: what is an error, and what only ends a request."""

from __future__ import annotations

import inspect
import re

import pytest
from trio.testing import MockClock

import trio_sse
from trio_sse import App, Get, errors
from trio_sse.errors import HTTPError, HTTPException, NoContent
from trio_sse.testing import TestClient


def test_the_picture_shows_every_exception_below_its_base() -> None:
    above: list[str] = []
    shown: dict[str, str] = {}
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        found = re.match(r"([ │├└─]*)\b([A-Z]\w+)", line)
        if found is None or not (above or found[2] == "Exception"):
            continue
        depth = len(found[1]) // 4 - 1  # the picture itself is indented
        above[depth:] = [found[2]]
        for name in re.findall(r"\b[A-Z][A-Za-z]+\b", line):
            if name in errors.__all__:
                shown[name] = above[depth - 1]
    assert shown == {name: getattr(errors, name).__base__.__name__ for name in errors.__all__}


def test_no_content_ends_a_request_and_is_not_an_error() -> None:
    assert issubclass(NoContent, HTTPException)
    assert not issubclass(NoContent, HTTPError)
    assert not hasattr(trio_sse, "HTTPException")


@pytest.mark.parametrize("error", [NoContent(headers={"x": "1"}), HTTPException(status=204, headers={"x": "1"})])
async def test_what_is_not_an_error_is_an_answer_too(error: HTTPException, autojump_clock: MockClock) -> None:
    def handler() -> None:
        try:
            raise error
        except HTTPError:  # only errors
            pytest.fail("not an error")

    reply = await TestClient(App().add(Get("/").handle(handler))).get("/")
    assert (reply.status, reply.headers["x"], reply.body) == (204, "1", b"")
