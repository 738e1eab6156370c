"""Routes: `Get`, `Post`, `Put`, `Patch`, `Delete`, and what they share with `SSE`, as immutable builders.

Owns the declaration of one route. Every method returns a new value, so several routes can be built from a common start.
`_plan.planner` and `_plan.router` check later what depends on other steps and routes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Self, overload

import attrs

from .._ground.calls import kind_of
from .._ground.naming import describe, name_of
from .._http.body_reader import DEFAULT_MAX_BODY
from .._http.form_reader import DEFAULT_MAX_FORM, FormLimits
from .._http.paths import Path, to_path
from ..errors import BuildError
from .builder import Builder
from .handlers import P, Q, R, R_co
from .steps import ReadBody, ReadForm, ReadQuery

__all__ = ("Delete", "Get", "Patch", "Post", "Put", "Route")


def _refuse_base(_route: object, _field: object, _value: str) -> None:
    raise BuildError("Route is only what all routes share; write Get, Post, Put, Patch, Delete or SSE")


@attrs.frozen(repr=False)
class Route(Builder, Generic[P, R_co]):
    """What all routes share: a path, steps, services, and a handler.

    A route can be called as its handler, so that a test can call a function that `.handle` decorates.

    Attributes:
        path: The parsed pattern.
        steps: Middleware, guards and readers, in the order in which they run.
        services: The injected services, by name.
        handler: The function that answers; None until `.handle` sets it.
        name: The name in the app, as in `app.url("orders.events")`; empty for a route without a name.
        answers_during_shutdown: Whether it answers while the server refuses other requests.
    """

    path: Path = attrs.field(converter=to_path)
    handler: Callable[P, R_co] | None = attrs.field(default=None, kw_only=True)
    name: str = attrs.field(default="", kw_only=True)
    answers_during_shutdown: bool = attrs.field(default=False, kw_only=True)
    method: str = attrs.field(default="", init=False, validator=_refuse_base)

    def during_shutdown(self) -> Self:
        """Answer even while the server shuts down or is full, and refuses other requests. For health checks."""
        return attrs.evolve(self, answers_during_shutdown=True)

    def query(self, model: type[Any]) -> Self:
        """Read the query string into a value of `model`, as `query`: an attrs class, a dataclass, a pydantic model, ….

        A query that does not fit is a 422 that names the field.
        """
        return self._add(ReadQuery(model))

    def body(self, model: Any, *, max_size: int = DEFAULT_MAX_BODY) -> Self:
        """Read a JSON body into a value of `model`, as `body`.

        Args:
            model: The type to read: an attrs class, a dataclass, a pydantic model, `list[int]`, …
            max_size: The most bytes that are read; a larger body is a 413.

        Raises:
            BuildError: The route answers GET, which has no body (RFC 9110, 9.3.1), or `max_size` is not above 0.
        """
        if self.method == "GET":
            raise BuildError(f"{self}: a GET request has no body to read; use .query(), or answer POST")
        if max_size < 1:
            raise BuildError(f"{self}: max_size is a number of bytes above 0, not {max_size!r}")
        return self._add(ReadBody(model, max_size))

    def form(  # noqa: PLR0913 - most are keywords
        self,
        model: type[Any],
        *,
        max_size: int = DEFAULT_MAX_FORM,
        max_file_size: int | None = None,
        max_text_size: int = DEFAULT_MAX_BODY,
        max_files: int = 16,
        max_fields: int = 1000,
    ) -> Self:
        """Read a form into a value of `model` (an attrs class, a dataclass, …), as `form`.

        Forms of the types application/x-www-form-urlencoded and multipart/form-data are read; others are a 415. Text
        is converted as by `.query`, and what does not fit is a 422 that names the field. A field of the type
        `UploadedFile` takes a file, one of the type `list[UploadedFile]` several.

        It needs python-multipart: `pip install trio-sse[forms]`. Pages of other origins can post forms without asking
        first: see the how-to on sessions.

        Args:
            model: The class to read.
            max_size: The most bytes of the whole body. What exceeds this limit or one of the others is a 413.
            max_file_size: The most bytes of one file; by default as many as the body may have.
            max_text_size: The most bytes of all text fields together, which are kept in memory.
            max_files: The most files.
            max_fields: The most text fields.

        Raises:
            BuildError: The route answers GET, whose forms are in the query string; or a limit is not above 0.
        """
        if self.method == "GET":
            raise BuildError(f"{self}: a GET request has its form in the query string; use .query(), or answer POST")
        try:
            limits = FormLimits(
                max_size=max_size,
                max_file_size=max_file_size,
                max_text_size=max_text_size,
                max_files=max_files,
                max_fields=max_fields,
            )
        except BuildError as problem:
            raise BuildError(f"{self}: {problem}") from None
        return self._add(ReadForm(model, limits))

    @overload
    def handle(self, handler: Callable[Q, R]) -> Route[Q, R]: ...
    @overload
    def handle(self, handler: Callable[..., object]) -> Route: ...  # type: ignore[overload-cannot-match]
    def handle(self, handler: Callable[..., object]) -> Any:
        """Set the handler: `.handle(list_orders)`. Returns the route; `@Get("/orders").handle` decorates a function.

        Raises:
            BuildError: The route has a handler already, or this is not a function that can be called by name.
        """
        if self.handler is not None:
            raise BuildError(f"{self} has the handler {describe(self.handler)} already; write a route for each handler")
        kind_of(handler)
        route: Any = self
        return attrs.evolve(route, handler=handler)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the handler itself, without the steps.

        Raises:
            BuildError: The route has no handler.
        """
        if self.handler is None:
            raise BuildError(f"{self} has no handler to call; finish it with .handle(function)")
        return self.handler(*args, **kwargs)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def _head(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def __repr__(self) -> str:
        always = ".during_shutdown()" if self.answers_during_shutdown else ""
        return self._head() + self._shared() + always + self._tail()

    def _tail(self) -> str:
        return f".handle({name_of(self.handler)})" if self.handler is not None else ""


@attrs.frozen(repr=False)
class Get(Route[P, R_co]):
    """A route that answers GET (and HEAD) with one value."""

    method: str = attrs.field(default="GET", init=False)

    if TYPE_CHECKING:

        @overload
        def handle(self, handler: Callable[Q, R]) -> Get[Q, R]: ...
        @overload
        def handle(self, handler: Callable[..., object]) -> Get: ...  # type: ignore[overload-cannot-match]
        def handle(self, handler: Callable[..., object]) -> Get: ...


@attrs.frozen(repr=False)
class Post(Route[P, R_co]):
    """A route that answers POST with one value."""

    method: str = attrs.field(default="POST", init=False)

    if TYPE_CHECKING:

        @overload
        def handle(self, handler: Callable[Q, R]) -> Post[Q, R]: ...
        @overload
        def handle(self, handler: Callable[..., object]) -> Post: ...  # type: ignore[overload-cannot-match]
        def handle(self, handler: Callable[..., object]) -> Post: ...


@attrs.frozen(repr=False)
class Put(Route[P, R_co]):
    """A route that answers PUT with one value."""

    method: str = attrs.field(default="PUT", init=False)

    if TYPE_CHECKING:

        @overload
        def handle(self, handler: Callable[Q, R]) -> Put[Q, R]: ...
        @overload
        def handle(self, handler: Callable[..., object]) -> Put: ...  # type: ignore[overload-cannot-match]
        def handle(self, handler: Callable[..., object]) -> Put: ...


@attrs.frozen(repr=False)
class Patch(Route[P, R_co]):
    """A route that answers PATCH with one value."""

    method: str = attrs.field(default="PATCH", init=False)

    if TYPE_CHECKING:

        @overload
        def handle(self, handler: Callable[Q, R]) -> Patch[Q, R]: ...
        @overload
        def handle(self, handler: Callable[..., object]) -> Patch: ...  # type: ignore[overload-cannot-match]
        def handle(self, handler: Callable[..., object]) -> Patch: ...


@attrs.frozen(repr=False)
class Delete(Route[P, R_co]):
    """A route that answers DELETE with one value."""

    method: str = attrs.field(default="DELETE", init=False)

    if TYPE_CHECKING:

        @overload
        def handle(self, handler: Callable[Q, R]) -> Delete[Q, R]: ...
        @overload
        def handle(self, handler: Callable[..., object]) -> Delete: ...  # type: ignore[overload-cannot-match]
        def handle(self, handler: Callable[..., object]) -> Delete: ...
