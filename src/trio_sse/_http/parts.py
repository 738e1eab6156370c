"""The parts of a multipart form, as a parser finds them.

Owns what a parser offers, so that nothing that reads forms has to import `multipart`, which needs python-multipart.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Protocol

import attrs

from .headers import Headers

__all__ = ("PartEnd", "PartEvent", "PartHead", "PartParser")


@attrs.frozen
class PartHead:
    """The beginning of a part.

    Attributes:
        name: The name of the field.
        filename: The name of the file, without folders; None where the part is text.
        headers: The part's headers.
    """

    name: str
    filename: str | None
    headers: Headers


class PartEnd(enum.Enum):
    """The end of a part."""

    END = enum.auto()


PartEvent = PartHead | bytes | PartEnd
"""The head of a part, data of it, or its end."""


class PartParser(Protocol):
    """Parses one body, as its bytes come."""

    def feed(self, data: bytes) -> Iterator[PartEvent]:
        """Parse the next bytes."""
        ...

    def close(self) -> None:
        """Check, at the end of the body, that the form is complete."""
        ...
