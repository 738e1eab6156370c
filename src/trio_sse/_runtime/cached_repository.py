"""Look-ups: a repository as one request sees it.

Owns what is remembered for the length of a request: models that have been found, and look-ups that are under way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import trio

from .._routes.models import Repository

__all__ = ("CachedRepository",)

T = TypeVar("T")


class _Flight(Generic[T]):
    """A look-up under way, which others may wait for."""

    def __init__(self) -> None:
        self.landed = trio.Event()
        self.answered = False
        self.model: T | None = None


class CachedRepository(Generic[T]):
    """Remembers what its repository has found, and lets those that ask at the same time share one call.

    A miss is not remembered, but those that waited for it share it. Where the call fails or is cancelled, the next one
    that waits makes it again: no caller is cancelled, or gets an error, because of another one.
    """

    def __init__(self, repository: Repository[T]) -> None:
        self._repository = repository
        self._found: dict[Any, T] = {}
        self._flights: dict[Any, _Flight[T]] = {}

    async def get(self, id: Any, /) -> T | None:
        """Find one."""
        while id not in self._found:
            flight = self._flights.get(id)
            if flight is None:
                return await self._ask(id)
            await flight.landed.wait()
            if flight.answered:
                return flight.model
        await trio.lowlevel.checkpoint()
        return self._found[id]

    async def get_many(self, ids: Sequence[Any], /) -> Mapping[Any, T]:
        """Find many, with one call for those that have not been found before."""
        missing = tuple(id for id in ids if id not in self._found)
        if missing:
            self._found |= await self._repository.get_many(missing)
        else:
            await trio.lowlevel.checkpoint()
        return {id: self._found[id] for id in ids if id in self._found}

    async def _ask(self, id: Any) -> T | None:
        flight = self._flights[id] = _Flight[T]()
        try:
            flight.model = await self._repository.get(id)
            flight.answered = True
        finally:
            del self._flights[id]
            flight.landed.set()
        if flight.model is not None:
            self._found[id] = flight.model
        return flight.model
