"""Providers: how a service is made, and how long it lives.

Owns the checks of a single provider; `_plan.services` checks all of them against each other.

A service is requested by its *token*: a class, a generic alias such as `Repository[Order]`, or, where there are two of
a kind, a `NewType` or an `Annotated` type.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, Literal, NewType, get_origin

import attrs

from .._ground.calls import Kind, kind_of, result_type
from .._ground.naming import describe, name_of, type_name
from .._ground.signatures import UNIONS, UNKNOWN, fits, is_type
from ..errors import BuildError

__all__ = ("NOT_A_SERVICE", "Provider", "Scope", "make_provider", "value_provider")

Scope = Literal["app", "request"]
"""How long a service lives: `app`, made at start-up, as long as the app; `request`, made when first needed, for one
request."""

NOT_A_SERVICE: Final = (UNKNOWN, Any, object, None, type(None))


@attrs.frozen
class Provider:
    """How a service is made, and how long it lives.

    Attributes:
        token: The type by which the service is requested.
        factory: A class, a function, or an `@asynccontextmanager` function.
        scope: How long the service lives.
        replaced: The provider that this one overrides.
    """

    token: Any
    factory: Callable[..., object]
    scope: Scope = "app"
    replaced: Provider | None = None

    def __str__(self) -> str:
        return type_name(self.factory) if inspect.isclass(self.factory) else describe(self.factory)


def make_provider(token: Any, factory: Callable[..., object] | None, scope: Scope) -> Provider:
    """The provider for the arguments of `App.provide`.

    Raises:
        BuildError: The factory makes nothing, or is not annotated with what it makes.
    """
    if scope not in ("app", "request"):
        raise BuildError(f"the scope of a service is 'app' or 'request', not {scope!r}")
    if factory is None:
        token, factory = _what_it_makes(token), token
    _check_token(token)
    if not callable(factory):
        raise BuildError(
            f"{type_name(token)} is provided by a class or a function that makes it, not by {factory!r}; for a value "
            f"that is there already write .provide({type_name(token)}, value=…)"
        )
    _check_factory(token, factory)
    return Provider(token, factory, scope)


def value_provider(token: Any, value: object, replaced: Provider | None = None) -> Provider:
    """A provider of an existing value, which lives as long as the app.

    A value that overrides another provider may be of any type, so that a test can use a fake.

    Raises:
        BuildError: The value is not of the token's type.
    """
    _check_token(token)
    if replaced is None and not fits(type(value), token):
        raise BuildError(f".provide({type_name(token)}, value={value!r}): this is not of type {type_name(token)}")
    return Provider(token, _Value(value), "app", replaced)


@attrs.frozen
class _Value:
    """A factory of one value."""

    value: object

    def __call__(self) -> object:
        return self.value


def _what_it_makes(factory: Any) -> Any:
    """The token for a factory that was passed without one."""
    unmade = get_origin(factory) is not None or isinstance(factory, NewType)
    if unmade or getattr(factory, "_is_protocol", False) or inspect.isabstract(factory):
        raise BuildError(
            f"{type_name(factory)} cannot be made by itself; name what makes it: .provide({type_name(factory)}, …)"
        )
    if inspect.isclass(factory) or not callable(factory):
        return factory
    made = result_type(factory)
    if isinstance(made, str):
        raise BuildError(
            f"{describe(factory)} is annotated to return {made!r}, which cannot be looked up at run time; import it at "
            "module level and not under 'if TYPE_CHECKING'"
        )
    if made in NOT_A_SERVICE:
        raise BuildError(
            f"{describe(factory)} does not say what it provides; annotate what it returns, or name it: "
            f".provide(Service, {name_of(factory)})"
        )
    return made


def _check_token(token: Any) -> None:
    value = f"{token!r}; for a value that is there already write .provide({type_name(type(token))}, value=…)"
    if not is_type(token) or get_origin(token) in UNIONS:
        raise BuildError(
            "a service is known by its class, as in .provide(OrderService), or by an alias such as Repository[Order], "
            f"not by {type_name(token) if is_type(token) else value}"
        )


def _check_factory(token: Any, factory: Callable[..., object]) -> None:
    if kind_of(factory) is Kind.GENERATOR:
        raise BuildError(
            f"{describe(factory)} yields; decorate it with @contextlib.asynccontextmanager to provide what it yields"
        )
    made = factory if inspect.isclass(factory) else result_type(factory)
    if not fits(made, token):
        name = type_name(made)
        raise BuildError(
            f"{describe(factory)} makes {name}, which is not of type {type_name(token)}; "
            f"provide it as .provide({name}, …)"
        )
