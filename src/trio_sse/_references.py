"""References: a model that a path names, before it has been looked up.

Owns `Reference` and the resolving of many at once. Pure: a reference asks its repository and keeps nothing; within a
request that is a `Lookup`, which remembers.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, TypeVar

from ._context import type_name
from ._models import Repository

__all__ = ("Reference", "references")

T = TypeVar("T")


class Reference(Generic[T]):
    """Stands for the model with an id: `await reference` gives the model, or None.

    Two are equal when model and id are. A route makes them of its path parameters (see `.types`); there one that has
    been found is not looked up again within the request, awaits at the same time share one look-up, and a miss is not
    remembered. One that is made by hand asks its repository each time.

    Args:
        model: The model's class.
        id: The model's id.
        repository: Finds it.
    """

    __slots__ = ("_repository", "id", "model")

    def __init__(self, model: type[T], id: Any, repository: Repository[T]) -> None:
        self.model: type[T] = model
        self.id: Any = id
        self._repository: Repository[T] = repository

    def __await__(self) -> Generator[Any, Any, T | None]:
        return self._repository.get(self.id).__await__()

    def __eq__(self, other: object) -> bool:
        others: Any = other
        if not isinstance(other, Reference):
            return NotImplemented
        return bool(self.model is others.model and self.id == others.id)

    def __hash__(self) -> int:
        return hash((self.model, self.id))

    def __repr__(self) -> str:
        return f"Reference({type_name(self.model)}, {self.id!r})"


async def references(*wanted: Reference[T]) -> list[T | None]:
    """Resolve many references, with one call for each repository that they come from.

    Returns:
        The models in the order of the references, None for each that is not found.
    """
    repositories = {id(each._repository): each._repository for each in wanted}  # pyright: ignore[reportPrivateUsage]
    found: dict[tuple[int, Any], T] = {}
    for key, repository in repositories.items():
        ids = dict.fromkeys(each.id for each in wanted if each._repository is repository)  # pyright: ignore[reportPrivateUsage]
        models = await repository.get_many(tuple(ids))
        found |= {(key, each): model for each, model in models.items()}
    return [found.get((id(each._repository), each.id)) for each in wanted]  # pyright: ignore[reportPrivateUsage]
