"""Models: what a route's path parameters may refer to, and a repository in memory.

Owns `MemoryRepository`, and exports what users import of models: `Reference`, `Repository`, `required`, `resolve`. It
knows no database: a repository over one is the application's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, get_origin

import attrs
import trio

from ._routes.models import Reference, Repository, Required, id_field_of, required, resolve
from .topics import HasEvents, Topic, Topics

__all__ = ("MemoryRepository", "Reference", "Repository", "Required", "required", "resolve")

T = TypeVar("T")


class MemoryRepository(Generic[T]):
    """Keeps models by id, for tests, examples and data that need not survive a restart.

    With `topics`, it binds each model that derives from `HasEvents` to its topic.

    Args:
        model: The class of the models.
        models: The models to start with.
        topics: Makes the topics.

    Raises:
        TypeError: The class has no id field.
    """

    def __init__(self, model: type[T], models: Iterable[T] = (), *, topics: Topics | None = None) -> None:
        self._model: type[Any] = get_origin(model) or model
        self._id = id_field_of(model).name
        self._topics = topics
        self._models: dict[Any, T] = {}
        for each in models:
            self._put(each)

    async def get(self, id: Any, /) -> T | None:
        """The model with an id, or None."""
        await trio.lowlevel.checkpoint()
        return self._models.get(id)

    async def get_many(self, ids: Sequence[Any], /) -> Mapping[Any, T]:
        """The models with these ids, by id; those that are not found are left out."""
        await trio.lowlevel.checkpoint()
        return {id: self._models[id] for id in ids if id in self._models}

    async def list(self) -> list[T]:
        """All models, in the order in which they were added."""
        await trio.lowlevel.checkpoint()
        return [*self._models.values()]

    async def save(self, model: T, /) -> T:
        """Add a model, or replace the one with the same id. Returns the model bound to its topic."""
        await trio.lowlevel.checkpoint()
        return self._put(model)

    async def delete(self, id: Any, /) -> bool:
        """Remove a model; True if it was found."""
        await trio.lowlevel.checkpoint()
        return self._models.pop(id, None) is not None

    def _put(self, model: T) -> T:
        id = getattr(model, self._id)
        bound = model if self._topics is None else _bind(model, self._topics.topic(self._model, id))
        self._models[id] = bound
        return bound

    def __repr__(self) -> str:
        return f"<MemoryRepository of {self._model.__name__}, {len(self._models)} models>"


def _bind(model: Any, topic: Topic[Any]) -> Any:
    """The model with its topic, if its class derives from `HasEvents`."""
    return attrs.evolve(model, events=topic) if HasEvents in model.__class__.__mro__ else model
