"""Models of pydantic in an app, as a user writes them. Checked by mypy and pyright, both strict, and never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_type

from pydantic import BaseModel

from trio_sse import SSE, App, Events, Get, Post, ServerSentEvent
from trio_sse.client import EventSource
from trio_sse.forms import UploadedFile


class Line(BaseModel):
    count: int


class Search(BaseModel):
    text: str
    limit: int = 10


class Upload(BaseModel):
    title: str
    cover: UploadedFile | None = None


class Place(BaseModel):
    room: int


@Post("/lines").body(Line).handle
async def add(body: Line) -> list[Line]:
    return [body]


@Post("/many").body(list[Line]).handle
async def add_many(body: list[Line]) -> dict[str, Line]:
    return {str(line.count): line for line in body}


@Get("/search/:room").query(Search).handle
def search(query: Search, params: Place) -> Line:
    return Line(count=query.limit + params.room)


@Post("/upload").form(Upload).handle
async def upload(form: Upload) -> str:
    return form.title if form.cover is None else form.cover.filename


@SSE("/events").handle
async def events() -> Events:
    yield {"event": "line", "data": Line(count=1)}
    yield ServerSentEvent(Line(count=1))


@SSE("/lines").events(line=Line).handle
async def lines() -> AsyncIterator[Line]:
    yield Line(count=1)


app = App().add(add, add_many, search, upload, events, lines)


async def read() -> None:
    assert_type(await add(Line(count=1)), list[Line])
    async with EventSource("http://upstream/lines") as source:
        async for value in source.values({"line": Line}):
            assert_type(value, Line | ServerSentEvent[str])
