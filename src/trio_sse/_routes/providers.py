"""Providers: what makes one service, and for how long it lives.

Owns the checks of a provider by itself. `_injection` holds all of them against each other.

A service is asked for by its *token*: a class, or a generic alias such as `Repository[Order]`, or an `Annotated` one
where there are two of a kind.
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
"""How long a service lives: as long as the app, made at start-up; or for one request, made when it is first needed."""

NOT_A_SERVICE: Final = (UNKNOWN, Any, object, None, type(None))


@attrs.frozen
class Provider:
    """What makes a service.

    Attributes:
        token: What it is asked for by.
        factory: A class, a function, or an `@asynccontextmanager` function.
        scope: How long what it makes lives.
        replaced: The provider that this one overrides.
    """

    token: Any
    factory: Callable[..., object]
    scope: Scope = "app"
    replaced: Provider | None = None

    def __str__(self) -> str:
        return type_name(self.factory) if inspect.isclass(self.factory) else describe(self.factory)


def make_provider(token: Any, factory: Callable[..., object] | None, scope: Scope) -> Provider:
    """Check what `provide` was given.

    Raises:
        BuildError: It makes nothing, or does not say what.
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
    """A provider of a value that is there already; it lives as long as the app. What overrides need not fit.

    Raises:
        BuildError: The value is no such service.
    """
    _check_token(token)
    if replaced is None and not fits(type(value), token):
        raise BuildError(f".provide({type_name(token)}, value={value!r}): this is no {type_name(token)}")
    return Provider(token, _Value(value), "app", replaced)


@attrs.frozen
class _Value:
    """A factory of one value."""

    value: object

    def __call__(self) -> object:
        return self.value


def _what_it_makes(factory: Any) -> Any:
    """The token of a provider that was given alone."""
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
            f"{describe(factory)} makes {name}, which is no {type_name(token)}; provide it as .provide({name}, …)"
        )
