"""Models: a user's class, with its id, its repository, and the names of path parameters that it matches.

Owns the rules for the id field, the matching of classes with path parameters, and `Repository`. Pure: `_runtime` looks
models up.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar, get_origin

import attrs

from .._ground.naming import type_name
from .._ground.signatures import class_annotations

__all__ = (
    "IdField",
    "Reference",
    "Repository",
    "Required",
    "id_field_of",
    "parameter_names",
    "repository_token",
    "required",
    "resolve",
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

DEFAULT_ID_FIELD: Final = "id"

_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Repository(Protocol[T_co]):
    """Finds models by id.

    `Repository[Ticket]` is also the token by which the repository of tickets is provided and injected. Its methods are
    called from many tasks at once, and may be cancelled at any checkpoint.
    """

    async def get(self, id: Any, /) -> T_co | None:
        """Find the model with an id, or None. The id is of the type of the model's id field."""
        ...

    async def get_many(self, ids: Sequence[Any], /) -> Mapping[Any, T_co]:
        """Find the models with these ids, which are distinct; those that are not found are left out."""
        ...


def repository_token(model: type[Any]) -> Any:
    """The token of the repository of a model: `Repository[Ticket]`."""
    return Repository[model]  # type: ignore[valid-type]  # a class that is only known at run time


@attrs.frozen
class IdField:
    """The field that identifies an instance of a model.

    Attributes:
        name: The attribute's name.
        type: Its annotation, to which the text of a path is converted.
    """

    name: str
    type: Any


def id_field_of(model: type[Any]) -> IdField:
    """The id field of a model: `id`, or the one that the class names: `id_field: ClassVar[str] = "number"`.

    Raises:
        TypeError: There is no such field, or its type cannot be evaluated.
    """
    model = get_origin(model) or model
    name = getattr(model, "id_field", DEFAULT_ID_FIELD)
    if not isinstance(name, str):
        raise TypeError(
            f"{type_name(model)}.id_field is {name!r}; it names the field that holds the id: "
            'id_field: ClassVar[str] = "number"'
        )
    found = class_annotations(model).get(name)
    if found is None:
        raise TypeError(
            f"{type_name(model)} has no annotated field {name!r}; where another one holds its id, name that in the "
            'class: id_field: ClassVar[str] = "number"'
        )
    if isinstance(found, str):
        raise TypeError(
            f"{type_name(model)}.{name} is annotated {found!r}, which cannot be looked up at run time; import it at "
            "module level and not under 'if TYPE_CHECKING'"
        )
    return IdField(name, found)


def parameter_names(model: type[Any]) -> frozenset[str]:
    """The path parameters that a model class matches.

    For OrderItem `order_item`, `orderItem`, `OrderItem`, each of them also with `Ref` or `_ref` at its end.
    """
    pascal = model.__name__
    snake = _WORD_BOUNDARY.sub("_", pascal).lower()
    first, *rest = snake.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    plain = {pascal, pascal[:1].lower() + pascal[1:], camel, snake}
    return frozenset(name + suffix for name in plain for suffix in ("", "Ref", "_ref"))


@attrs.frozen
class Required(Generic[T]):
    """Marks a model that must be found: see `required`."""

    model: type[T]

    def __str__(self) -> str:
        return f"required({type_name(self.model)})"


def required(model: type[T]) -> Required[T]:
    """A model that must be found: `.types(required(Ticket))`.

    The ticket is looked up at that step, before the response starts. The parameter is then the ticket itself; if it is
    not found, the answer is a 404. (`.types(Ticket)` makes a `Reference[Ticket]`, which is looked up when it is
    awaited. In an SSE handler that is too late for a 404.)
    """
    return Required(model)


class Reference(Generic[T]):
    """Refers to the model with an id: `await reference` returns the model, or None.

    Two references are equal if their models and ids are. `.types` makes references of path parameters. Such a reference
    looks a model up once in a request, and tasks that await it at the same time share one look-up; a model that was not
    found is looked up again. A reference that you make yourself asks its repository each time.

    Args:
        model: The model's class.
        id: The model's id.
        repository: The repository to look it up in.
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


async def resolve(*wanted: Reference[T]) -> list[T | None]:
    """Look many references up, with one call for each repository.

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
