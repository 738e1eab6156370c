"""Plans: what one request of a route does, in order.

Owns the operations of a plan. Pure data: `_plan.planner` makes plans, and `_runtime.steps` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

import attrs

from .._ground.calls import Call
from .._http.body_reader import BodyReader
from .._http.form_reader import FormLimits, FormReader
from .._http.parts import PartParser
from .._http.query_reader import QueryReader
from .._http.response_headers import RawHeaders
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
    "RunReadForm",
    "RunReadQuery",
    "RunUse",
    "TakeService",
)


@attrs.frozen
class ParamsKey:
    """The key of the path parameters as a value of a user's class."""

    model: type[Any]


QUERY_MODEL: Final = ("query", "model")
"""The key of the query as a model. Services still get the plain values, under the key `query`."""


@attrs.frozen
class RunUse:
    """Call middleware, and bind what it returns to `name`, or its `fields` to their names."""

    call: Call
    name: str | None
    fields: tuple[str, ...] = ()


@attrs.frozen
class RunGuard:
    """Call guards, up to the first that returns True."""

    calls: tuple[Call, ...]


@attrs.frozen
class RunReadQuery:
    """Read the query string."""

    reader: QueryReader


@attrs.frozen
class RunReadBody:
    """Wait for the body, and read it; without a reader the value is bytes."""

    reader: BodyReader | None


@attrs.frozen
class RunReadForm:
    """Read the body as a form; `parser` makes the parser of a multipart form, from its boundary."""

    reader: FormReader
    limits: FormLimits
    parser: Callable[[str], PartParser]


@attrs.frozen
class TakeService:
    """Take a service of the app."""

    key: ServiceKey


@attrs.frozen
class MakeService:
    """Make a service of the request."""

    recipe: ResolvedProvider


@attrs.frozen
class MakeReference:
    """Replace the id in a path parameter with a reference."""

    parameter: str
    model: type[Any]
    repository: ServiceKey


@attrs.frozen
class LoadModel:
    """Replace the reference in a path parameter with the model, or answer 404."""

    parameter: str


@attrs.frozen
class CollectParams:
    """Collect the path parameters: as `params`, or as a value of the user's class."""

    key: Hashable
    model: type[Any] | None
    fields: tuple[tuple[str, str], ...]
    """Each argument of the class's constructor, with its path parameter."""


Operation = (
    RunUse
    | RunGuard
    | RunReadQuery
    | RunReadBody
    | RunReadForm
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
        operations: The steps, and the operations that make the values that they take.
        handler: The handler's call.
        params: The path parameters' names and types, in the path's order; None is plain text.
        models: The models that path parameters refer to, each with the name of its id field.
        needs: Every built-in name that any call takes.
        max_body: The most bytes of the request body that are kept; 0 if no step and no handler takes it.
        encoder: Encodes what the handler yields.
        headers: The headers that the route sets for its responses.
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
    headers: RawHeaders

    @property
    def services(self) -> frozenset[Any]:
        """The tokens of the services that it takes from the app."""
        fetched = (operation.key.token for operation in self.operations if isinstance(operation, TakeService))
        made = (key.token for o in self.operations if isinstance(o, MakeService) for key in o.recipe.needs)
        return frozenset((*fetched, *made))
