"""Streams that are nothing but topics: what `SSE.topic` declares, and the handler that is made of it.

Owns which topics a request is subscribed to, and the first event of such a stream. What a subscription yields is for
`topics` to say, and how it is sent for `_runtime.stream`. A faster way of sending would take the place of `_events`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

import attrs

from .._ground.calls import Kind, kind_of
from .._ground.naming import describe
from .._ground.signatures import UNKNOWN, Parameter, parameters_of
from .._http.paths import NOTHING_HERE
from ..errors import BuildError, EventError, NotFound, TopicNameError
from ..topics import Gap, Since, Slow, Subscription, Topic, Topics
from ..topics._names import check_name, check_pattern, segment_of
from ..topics._reader import LAG, Reading
from ..wire import EncodedEvent, EventItem
from ..wire import check_name as check_event_name
from .models import Reference, id_field_of

__all__ = ("POSITION", "TOPICS", "TopicSource", "TopicStream")

TopicSource: TypeAlias = str | Callable[..., str | Topic[Any] | Iterable[str | Topic[Any]]]
"""What `SSE.topic` takes: a name or a pattern with path parameters, or a function that names topics."""

NamesOf: TypeAlias = Callable[[Mapping[str, Any]], list[str]]
"""Names the topics of one request, from its values."""

SCALARS: Final = (str, int, float, Decimal, UUID, date, Enum)
"""The types of path parameters that are not models."""

TOPICS: Final = "trio_sse_topics"
"""The parameter of the handler that takes the app's topics, by its annotation."""

POSITION: Final = "stream-position"
"""The name of the first event of a stream, which is there for its id: a client that gets nothing else can resume.

It has a name and data because several clients dispatch an event with an id alone, and npm's `eventsource` keeps only
the ids of events that it dispatches.
"""


def _check_sources(_stream: object, _field: object, sources: tuple[object, ...]) -> None:
    if not sources:
        raise BuildError(".topic() names no topic; write .topic('rooms/:room')")
    for source in sources:
        if isinstance(source, str):
            _check_text(source)
        elif kind_of(_function(source)) is not Kind.SYNC:
            raise BuildError(f".topic({describe(source)}) takes a plain function that returns the names of topics")


def _check_text(source: str) -> None:
    for segment in source.split("/"):
        if segment.startswith(":") and not segment[1:].isidentifier():
            raise BuildError(f".topic({source!r}): {segment!r} is no path parameter; write one as in 'rooms/:room'")
    try:
        check_pattern(source)
    except TopicNameError as error:
        raise BuildError(f".topic({source!r}): {error}") from None


def _function(source: Any) -> Callable[..., Any]:
    if not callable(source):
        raise BuildError(f".topic() takes names, such as 'rooms/:room', and functions that return them, not {source!r}")
    return source  # type: ignore[no-any-return]


def _check_gap(_stream: object, _field: object, gap: str) -> None:
    try:
        check_event_name(gap)
    except EventError as error:
        raise BuildError(f".topic(gap={gap!r}): the name {error.reason}") from None


@attrs.frozen
class TopicStream:
    """The topics of which the streams of a route consist: see `SSE.topic`.

    Attributes:
        sources: The topics: names, patterns, and functions.
        since: Where a client without an id begins.
        slow: What becomes of a client that is behind.
        lag: How many events it may be behind.
        gap: The name of the event that tells a gap.

    Raises:
        BuildError: It names no topics, or another argument is none of its values.
    """

    sources: tuple[TopicSource, ...] = attrs.field(validator=_check_sources)
    since: Since = attrs.field(default="now", kw_only=True)
    slow: Slow = attrs.field(default="drop_oldest", kw_only=True)
    lag: int = attrs.field(default=LAG, kw_only=True)
    gap: str = attrs.field(default="gap", kw_only=True, validator=_check_gap)

    def __attrs_post_init__(self) -> None:
        try:
            Reading(None, self.since, self.slow, self.lag)
        except ValueError as error:
            raise BuildError(f".topic(): {error}") from None

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """The path parameters in the names."""
        texts = (source.split("/") for source in self.sources if isinstance(source, str))
        return tuple(dict.fromkeys(segment[1:] for text in texts for segment in text if segment.startswith(":")))

    def handler(self) -> Callable[..., AbstractAsyncContextManager[AsyncIterator[list[EventItem] | EventItem]]]:
        """The handler of the stream. What it raises before it returns is an HTTP status."""

        named = [_by_text(source) if isinstance(source, str) else _by_function(source) for source in self.sources]

        def topic(**values: Any) -> AbstractAsyncContextManager[AsyncIterator[list[EventItem] | EventItem]]:
            topics: Topics = values[TOPICS]
            after: str | None = values["last_event_id"]
            names = [name for names_of in named for name in names_of(values)]
            subscription = topics.subscribe(*names, after=after, since=self.since, slow=self.slow, lag=self.lag)
            return _opened(subscription, after, self.gap)

        parameters = self._parameters()
        topic.__qualname__ = ".topic"
        topic.__annotations__ = {each.name: each.annotation for each in parameters if each.annotation is not UNKNOWN}
        topic.__signature__ = inspect.Signature([_as_keyword(each) for each in parameters])  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
        return topic

    def _parameters(self) -> list[Parameter]:
        """What the handler takes: the topics, the client's id, the path parameters, and what the functions take."""
        wanted = [Parameter(TOPICS, Topics, True), Parameter("last_event_id", UNKNOWN, True)]
        wanted += [Parameter(name, UNKNOWN, True) for name in self.path_parameters]
        for source in self.sources:
            wanted += () if isinstance(source, str) else parameters_of(source)
        merged: dict[str, Parameter] = {}
        for each in wanted:
            known = merged.get(each.name)
            if known is None or known.annotation is UNKNOWN:
                merged[each.name] = each
        return list(merged.values())

    def __str__(self) -> str:
        sources = [repr(source) if isinstance(source, str) else describe(source) for source in self.sources]
        changed = [field for field in attrs.fields(type(self))[1:] if getattr(self, field.name) != field.default]
        options = [f"{field.name}={getattr(self, field.name)!r}" for field in changed]
        return f".topic({', '.join(sources + options)})"


def _as_keyword(parameter: Parameter) -> inspect.Parameter:
    default = inspect.Parameter.empty if parameter.required else None
    return inspect.Parameter(parameter.name, inspect.Parameter.KEYWORD_ONLY, default=default)


def _by_text(source: str) -> NamesOf:
    """The topic, or the pattern, of a text with path parameters."""

    def names(values: Mapping[str, Any]) -> list[str]:
        try:
            return [check_pattern("/".join(_segment(each, values) for each in source.split("/")))]
        except TopicNameError as error:  # it is too long
            raise NotFound(NOTHING_HERE) from error

    return names


def _by_function(source: Callable[..., Any]) -> NamesOf:
    """The topics that a function names. What clients send may be in its names, so that they are no patterns."""
    takes = [each.name for each in parameters_of(source)]

    def names(values: Mapping[str, Any]) -> list[str]:
        named: Any = source(**{name: values[name] for name in takes if name in values})
        several: Iterable[Any] = [named] if isinstance(named, str) or not hasattr(named, "__iter__") else named
        return [check_name(str(each)) for each in several]

    return names


def _segment(segment: str, values: Mapping[str, Any]) -> str:
    return segment_of(_id(values[segment[1:]])) if segment.startswith(":") else segment


def _id(value: Any) -> Any:
    """The id of a model or of a reference to one, which `.types` has made of a path parameter."""
    if isinstance(value, Reference):
        return value.id  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return value if isinstance(value, SCALARS) else getattr(value, _id_name(value.__class__))


@lru_cache(maxsize=256)
def _id_name(model: Any) -> str:
    return id_field_of(model).name


@asynccontextmanager
async def _opened(
    subscription: Subscription[Any], after: str | None, gap: str
) -> AsyncGenerator[AsyncIterator[list[EventItem] | EventItem]]:
    async with subscription as events:
        yield _events(events, after, gap)


async def _events(events: Subscription[Any], after: str | None, gap: str) -> AsyncIterator[list[EventItem] | EventItem]:
    if events.id != after:
        yield {"event": POSITION, "id": events.id, "data": None}
    async for batch in events.batches():
        yield _shown(batch, gap)


def _shown(batch: Sequence[EventItem], gap: str) -> list[EventItem] | EventItem:
    """What is sent of a batch: gaps under the name that the route gives them."""
    if len(batch) == 1 and not isinstance(batch[0], Gap):
        return batch[0]
    return [EncodedEvent(item.frames(gap)) if isinstance(item, Gap) else item for item in batch]
