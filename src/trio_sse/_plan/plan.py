"""Plans: what one request of a route does, in order.

Owns the operations of which a plan is made. Pure data: `_planner` makes it and checks it, `_running` follows it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

import attrs

from .._ground.calls import Call
from .._http.body_reader import BodyReader
from .._http.query_reader import QueryReader
from .._routes.routes import Route
from .event_encoder import EventEncoder
from .services import ResolvedProvider, ServiceKey

__all__ = (
    "QUERY_MODEL",
    "CollectParams",
    "LoadModel",
    "MakeReference",
    "MakeService",
    "Operation",
    "ParamsKey",
    "Plan",
    "RunGuard",
    "RunReadBody",
    "RunReadQuery",
    "RunUse",
    "TakeService",
)


@attrs.frozen
class ParamsKey:
    """Where the path parameters are kept as a value of a class of the user's."""

    model: type[Any]


QUERY_MODEL: Final = ("query", "model")
"""Where the query is kept once it has been read into a model: services go on to get the plain values."""


@attrs.frozen
class RunUse:
    """Call a middleware and bind what it returns: to `name`, or its `fields` to their own names."""

    call: Call
    name: str | None
    fields: tuple[str, ...] = ()


@attrs.frozen
class RunGuard:
    """Ask guards up to the first yes."""

    calls: tuple[Call, ...]


@attrs.frozen
class RunReadQuery:
    """Read the query string."""

    reader: QueryReader


@attrs.frozen
class RunReadBody:
    """Wait for the body and read it; without a reader it stays bytes."""

    reader: BodyReader | None


@attrs.frozen
class TakeService:
    """Take a service of the app."""

    key: ServiceKey


@attrs.frozen
class MakeService:
    """MakeService a service of the request."""

    recipe: ResolvedProvider


@attrs.frozen
class MakeReference:
    """Turn the id that a path parameter holds into a reference."""

    parameter: str
    model: type[Any]
    repository: ServiceKey


@attrs.frozen
class LoadModel:
    """Turn the reference that a path parameter holds into the model, or answer 404."""

    parameter: str


@attrs.frozen
class CollectParams:
    """Put the path parameters together: as `params`, or as a value of the user's class."""

    key: Hashable
    model: type[Any] | None
    fields: tuple[tuple[str, str], ...]
    """Each field by the name that the class's constructor gives it, with its path parameter."""


Operation = (
    RunUse
    | RunGuard
    | RunReadQuery
    | RunReadBody
    | TakeService
    | MakeService
    | MakeReference
    | LoadModel
    | CollectParams
)


@attrs.frozen
class Plan:
    """What one request of a route does, in order.

    Attributes:
        route: The route that was planned.
        label: How messages name it, `SSE /rooms/:room/events`.
        operations: The steps, and what has to be made for them.
        handler: The handler's call.
        params: The path parameters' names and types, in the path's order; None is plain text.
        models: The models that path parameters refer to, each with the name of its id field.
        needs: Every built-in name that any call takes.
        max_body: The most bytes of the request body that are kept, 0 where nobody reads it.
        encoder: Encodes what the handler yields.
    """

    route: Route
    label: str
    operations: tuple[Operation, ...]
    handler: Call
    params: tuple[tuple[str, Any], ...]
    models: tuple[tuple[str, type[Any], str], ...]
    needs: frozenset[str]
    max_body: int
    encoder: EventEncoder

    @property
    def services(self) -> frozenset[Any]:
        """The tokens of the services that it takes from the app."""
        fetched = (operation.key.token for operation in self.operations if isinstance(operation, TakeService))
        made = (key.token for o in self.operations if isinstance(o, MakeService) for key in o.recipe.needs)
        return frozenset((*fetched, *made))
