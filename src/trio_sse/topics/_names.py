"""Names of topics, patterns of names, and what a subscription selects by them.

Owns what a name may be, how a value becomes one segment of it, and what a pattern matches: `*` one segment, `**` the
rest. Pure. It does not know events.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import attrs
import msgspec

from ..errors import TopicNameError

__all__ = (
    "Selection",
    "check_name",
    "check_pattern",
    "is_pattern",
    "join",
    "matcher",
    "prefix_of",
    "prefixes",
    "segment_of",
)

MAX_NAME_SIZE: Final = 255
"""The longest name, in bytes of UTF-8."""

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ESCAPED: Final = re.compile(r"[%/*\x00-\x1f\x7f-\x9f]")


def segment_of(value: object) -> str:
    """A value as one segment of a name: `/`, `*`, `%` and control characters are percent-encoded.

    Raises:
        TopicNameError: The value is not written as one piece of text, or its text is empty.
    """
    text = _ESCAPED.sub(lambda found: "".join(f"%{byte:02X}" for byte in found.group().encode()), _text(value))
    if not text:
        raise TopicNameError(f"{value!r} is empty text, which is no segment of a topic's name")
    return text


def _text(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value) if not isinstance(value, enum.Enum) else str(value.value)
    try:
        plain = msgspec.to_builtins(value)
    except (TypeError, ValueError):
        plain = None
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if not isinstance(plain, str | int | float):
        raise TopicNameError(f"{value!r:.80} is not one segment of a topic's name; give its id, as in order.id")
    return str(plain)


def join(name: str, segments: Iterable[object]) -> str:
    """A name with further segments, checked."""
    return check_name("/".join((name, *map(segment_of, segments))))


def check_name(name: str) -> str:
    """Check the name of one topic, and return it.

    Raises:
        TopicNameError: It is a pattern, is too long, or has an empty segment or a control character.
    """
    _check(name)
    if is_pattern(name):
        raise TopicNameError(f"{name!r} is a pattern, which can only be subscribed to: nothing is published to it")
    return name


def check_pattern(text: str) -> str:
    """Check a name or a pattern, and return it.

    Raises:
        TopicNameError: As for `check_name`, or a `*` is only a part of a segment, or `**` is not the last one.
    """
    _check(text)
    segments = text.split("/")
    if any("*" in segment and segment not in ("*", "**") for segment in segments) or "**" in segments[:-1]:
        raise TopicNameError(f"{text!r} is no pattern: '*' stands for one segment, and '**', at the end, for the rest")
    return text


def is_pattern(text: str) -> bool:
    """Whether this is a pattern, and not the name of one topic."""
    return "*" in text


def matcher(pattern: str) -> re.Pattern[str]:
    """What the names of a pattern match as a whole. `**` stands for one segment or more."""
    parts = {"*": "[^/]+", "**": ".+"}
    return re.compile("/".join(parts.get(segment, re.escape(segment)) for segment in pattern.split("/")))


def prefix_of(pattern: str) -> str:
    """The segments of a pattern before its first `*`."""
    before = pattern.split("/")[: next(i for i, segment in enumerate(pattern.split("/")) if "*" in segment)]
    return "/".join(before)


def prefixes(name: str) -> Iterator[str]:
    """What the patterns that match a name may begin with."""
    yield ""
    at = name.find("/")
    while at >= 0:
        yield name[:at]
        at = name.find("/", at + 1)


def _check(text: Any) -> None:
    if not isinstance(text, str):
        raise TopicNameError(f"the name of a topic is text, not {text!r}")
    if not text or "" in text.split("/"):
        raise TopicNameError(f"{text!r} is no name of a topic: no segment is empty")
    if _CONTROLS.search(text):
        raise TopicNameError(f"{text!r} is no name of a topic: it has a control character")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise TopicNameError(f"{text!r} is no name of a topic: it cannot be written as UTF-8") from None
    if size > MAX_NAME_SIZE:
        raise TopicNameError(f"{text[:40]!r}… is no name of a topic: it has more than {MAX_NAME_SIZE} bytes")


@attrs.frozen
class Selection:
    """What a subscription is to.

    Attributes:
        names: The names of single topics.
        patterns: The patterns.
        is_single: Whether it is one topic.
    """

    names: tuple[str, ...]
    patterns: tuple[str, ...]
    is_single: bool = attrs.field(init=False, eq=False, repr=False)
    _matchers: tuple[re.Pattern[str], ...] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "is_single", len(self.names) == 1 and not self.patterns)
        object.__setattr__(self, "_matchers", tuple(map(matcher, self.patterns)))

    @classmethod
    def of(cls, topics: Iterable[str]) -> Selection:
        """Select topics by names and patterns.

        Raises:
            TopicNameError: One of them is neither, or there is none.
        """
        texts = tuple(dict.fromkeys(map(check_pattern, topics)))
        if not texts:
            raise TopicNameError("subscribe to at least one topic or pattern")
        return cls(
            tuple(text for text in texts if not is_pattern(text)), tuple(text for text in texts if is_pattern(text))
        )

    @property
    def all(self) -> tuple[str, ...]:
        """The names and the patterns."""
        return self.names + self.patterns

    def matches(self, name: str) -> bool:
        """Whether the topic of this name is selected."""
        return name in self.names or any(matcher.fullmatch(name) for matcher in self._matchers)

    def by_pattern(self, name: str) -> bool:
        """Whether a pattern selects the topic of this name."""
        return any(matcher.fullmatch(name) for matcher in self._matchers)
