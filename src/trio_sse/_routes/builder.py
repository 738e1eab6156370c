"""What routes and controllers share: steps and injected services, as an immutable builder.

Owns the methods that add them. Each returns a new value, so that several routes can be built from a common start. A
step is checked here by itself; `_plan.planner` checks the steps of a route against each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, overload

import attrs

from .._ground.calls import kind_of
from .._ground.naming import type_name
from .._ground.signatures import is_type
from .._http.headers import shown
from .._http.response_headers import HeaderItems, HeaderPairs, check_settable, checked
from ..errors import BuildError
from .models import Required
from .steps import AnyOf, Guard, Lambda, Step, Use, typed

__all__ = ("Builder",)


@attrs.frozen(repr=False)
class Builder:
    """Steps and services.

    Attributes:
        steps: Middleware, guards and readers, in the order in which they run.
        services: The injected services, by name.
        response_headers: Headers of the responses, as pairs.
    """

    steps: tuple[Step, ...] = attrs.field(default=(), kw_only=True)
    services: tuple[tuple[str, Any], ...] = attrs.field(default=(), kw_only=True)
    response_headers: HeaderPairs = attrs.field(default=(), kw_only=True)

    @overload
    def use(self, *middleware: Lambda, **named: Lambda) -> Self: ...
    @overload
    def use(  # type: ignore[overload-cannot-match]
        self, *middleware: Callable[..., object], **named: Callable[..., object]
    ) -> Self: ...
    def use(self, *middleware: Callable[..., object], **named: Callable[..., object]) -> Self:
        """Add middleware, which runs before the response starts.

        `.use(user=authenticate)` binds what the function returns to the name `user`. `.use(auth)` takes a function that
        is annotated to return an attrs class, each public field of which becomes a name, or one that returns nothing.
        The function may be sync (it is called in place and must not block), async, or an `@asynccontextmanager`
        function, which exits after the handler, in reverse order.

        Raises:
            BuildError: It is not a function of one of these kinds.
        """
        steps = [Use(function) for function in middleware] + [Use(function, name) for name, function in named.items()]
        for step in steps:
            kind_of(step.function)
        return self._add(*steps)

    @overload
    def guard(self, *guards: Lambda | AnyOf) -> Self: ...
    @overload
    def guard(self, *guards: Callable[..., object] | AnyOf) -> Self: ...  # type: ignore[overload-cannot-match]
    def guard(self, *guards: Callable[..., object] | AnyOf) -> Self:
        """Add guards: functions that return True to admit the request, or False for a 403.

        Raises:
            BuildError: A guard is not a function.
        """
        steps = [guard if isinstance(guard, AnyOf) else Guard(guard) for guard in guards]
        for step in steps:
            for function in step.functions if isinstance(step, AnyOf) else (step.function,):
                kind_of(function)
        return self._add(*steps)

    def inject(self, **services: Any) -> Self:
        """Make services available by name: `.inject(orders=OrderService)`.

        All steps and the handler may then take a parameter `orders`. A parameter that is annotated with the type of a
        service needs no `inject`. `App.provide` defines how the service is made. A service with the scope `request` is
        made just before the first step that takes it.

        Args:
            **services: Tokens by name: classes, or aliases such as `Repository[Order]`.

        Raises:
            BuildError: A token is not a type.
        """
        for name, token in services.items():
            if not is_type(token):
                raise BuildError(f".inject({name}={token!r}) takes a type, as in .inject({name}=OrderService)")
        return attrs.evolve(self, services=(*self.services, *services.items()))

    def types(self, *models: type[Any] | Required[Any], **named: type[Any] | Required[Any]) -> Self:
        """Turn path parameters into references to models.

        `.types(Ticket)` applies to the parameter that the class's name matches: `:ticket`, `:Ticket`, `:ticketRef`,
        `:ticket_ref`; for OrderItem also `:order_item` and `:orderItem`. `.types(room=ChatRoom)` names the parameter.
        It becomes a `Reference`, whose id is converted to the type of the model's id field; a path that does not fit
        is a 404. With `required(Ticket)` it becomes the ticket itself, which is looked up at this step.

        Raises:
            BuildError: A model is not a class.
        """
        if not models and not named:
            raise BuildError(".types() names no model; write .types(Ticket) or .types(room=ChatRoom)")
        return self._add(*map(typed, models), *(typed(model, name) for name, model in named.items()))

    def headers(self, headers: HeaderItems) -> Self:
        """Add headers to the responses: `.headers({"x-accel-buffering": "yes"})`.

        They replace the library's own of the same name, and are replaced by those that a step sets on `response` and
        those that the handler returns. An error has them too, but for those that describe the content, such as
        Cache-Control.

        Raises:
            BuildError: A header cannot be sent, or the server sets it itself.
        """
        try:
            pairs = checked(headers)
            check_settable(pairs)
        except ValueError as error:
            raise BuildError(f"{self}: .headers(): {error}") from None
        return attrs.evolve(self, response_headers=(*self.response_headers, *pairs))

    def _add(self, *steps: Step) -> Self:
        return attrs.evolve(self, steps=(*self.steps, *steps))

    def _shared(self) -> str:
        """The common part of a repr."""
        services = ", ".join(f"{name}={type_name(token)}" for name, token in self.services)
        headers = [(name, shown(name, value)) for name, value in self.response_headers]
        injected = (f".inject({services})" if services else "") + "".join(map(str, self.steps))
        return injected + (f".headers({headers!r})" if headers else "")
