"""The stream that a handler returns as a value: `EventStream`. Pure: it describes a stream, and does not send it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs

from .._http.headers import shown
from .._http.response_headers import HeaderPairs, check_settable, checked
from .options import StreamOptions

__all__ = ("EventStream", "StreamSource", "check_stream_status")

StreamSource = AsyncIterable[Any] | AbstractAsyncContextManager[AsyncIterable[Any]]
"""What a stream is made from: an async iterable of events, or an async context manager of one."""


def _check_source(_stream: object, _field: object, source: Any) -> None:
    if hasattr(source, "__aiter__") or hasattr(source, "__aenter__"):
        return
    hint = "; call it: EventStream(chunks())" if inspect.isasyncgenfunction(source) else ""
    if inspect.iscoroutine(source):
        source.close()
        hint = "; await it first, or write it as an async generator"
    raise TypeError(f"EventStream takes an async iterable, or an async context manager of one, not {source!r}{hint}")


def check_stream_status(status: int) -> None:
    """Check the status of a stream.

    Raises:
        ValueError: It is not that of a success, or its response has no content.
    """
    if not 200 <= status <= 299 or status in (204, 205):
        raise ValueError(f"a stream has a status from 200 to 299 that allows content, not {status!r}")


def _check_status(_stream: object, _field: object, status: int | None) -> None:
    if status is not None:
        check_stream_status(status)


def _check_headers(_stream: object, _field: object, headers: HeaderPairs) -> None:
    check_settable(headers)


@attrs.frozen
class EventStream:
    """A stream of events, which the handler of any route may return: `return EventStream(chunks())`.

    One route can thus answer with JSON or with a stream, as the request demands. The stream keeps all that an SSE route
    promises: one task advances and closes the source, heartbeat, limits, shutdown, statistics.

    Attributes:
        source: An async generator or another async iterable of events, or an async context manager of one. It is
            closed by the task that iterates over it, also if it is never iterated over.
        status: The status, from 200 to 299; None for that of the built-in `response`, which is 200 unless it is set.
            A browser's EventSource takes only 200.
        headers: Further headers: a mapping, or pairs if a name comes twice. One of the library's own, such as
            Cache-Control, is replaced.
        options: The stream's options; None for those of the SSE route, or their defaults on another route.
    """

    source: StreamSource = attrs.field(validator=_check_source)
    status: int | None = attrs.field(default=None, kw_only=True, validator=_check_status)
    headers: HeaderPairs = attrs.field(
        default=(),
        kw_only=True,
        converter=checked,
        validator=_check_headers,
        repr=lambda pairs: repr([(name, shown(name, value)) for name, value in pairs]),
    )
    options: StreamOptions | None = attrs.field(default=None, kw_only=True)
