"""The service graph: which services each service is made of, and the order in which they are made.

Owns all checks between providers: missing ones, cycles, and services of the app that need a value of a request. Pure:
`_runtime.steps` calls the providers.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import attrs

from .._ground.calls import Call, Kind, kind_of_factory
from .._ground.naming import nearest, type_name
from .._ground.signatures import Parameter, alternatives, derives, is_distinct, parameters_of
from .._routes.providers import NOT_A_SERVICE, Provider, Scope
from ..errors import BuildError
from .built_in_names import BuiltInNames, can_be

__all__ = ("ResolvedProvider", "ServiceGraph", "ServiceKey")


@attrs.frozen
class ServiceKey:
    """The key of a service among the values of a request."""

    token: Any


@attrs.frozen
class ResolvedProvider:
    """A provider whose parameters have been matched with services and built-in names."""

    key: ServiceKey
    call: Call
    scope: Scope

    @property
    def needs(self) -> Iterator[ServiceKey]:
        """The keys of the services that it takes."""
        return (key for _, key in self.call.sources if isinstance(key, ServiceKey))


class ServiceGraph:
    """All providers of an app, checked against each other.

    Attributes:
        recipes: How to make each service, by its token. A service comes after the services that it needs.

    Raises:
        BuildError: A provider is missing, providers form a cycle, or a service of the app needs one of a request. The
            message has the chain of providers.
    """

    def __init__(self, providers: Iterable[Provider], names: BuiltInNames) -> None:
        self._providers = {provider.token: provider for provider in providers}
        self._names = names
        self.recipes: dict[Any, ResolvedProvider] = {}
        for token in self._providers:
            self._add(token, ())

    def __contains__(self, token: Any) -> bool:
        return token in self.recipes

    def service_for(self, annotation: Any) -> Any:
        """The token of the service that a parameter with this annotation takes, or None."""
        # Compared one by one, because an annotation need not be hashable: `Annotated[int, []]`.
        known = ((token, wanted) for wanted in alternatives(annotation) for token in self._providers)
        return next((token for token, wanted in known if token == wanted), None)

    def in_order(self, token: Any) -> Iterator[ResolvedProvider]:
        """What a request has to make or take for a service, in order; the service itself is the last."""
        recipe = self.recipes[token]
        if recipe.scope == "request":
            for key in recipe.needs:
                yield from self.in_order(key.token)
        yield recipe

    def at_start(self, injected: Iterable[Any]) -> tuple[ResolvedProvider, ...]:
        """The app's services, in order, without those that only an overridden provider needs."""
        unneeded = self._only_for_overridden(set(injected))
        return tuple(each for each in self.recipes.values() if each.scope == "app" and each.key.token not in unneeded)

    def hint(self, token: Any) -> str:
        """What might have been meant by a token that nothing provides."""
        for other in self._providers:
            if inspect.isclass(other) and derives(other, token):
                name = type_name(other)
                return f" {name} is one, but is provided as {name} only; add .provide({type_name(token)}, {name})"
        return nearest(type_name(token), map(type_name, self._providers))

    # -- compiling

    def _add(self, token: Any, chain: tuple[tuple[Provider, str], ...]) -> ResolvedProvider:
        """Make the recipe of a token. `chain` has the providers that need it, each with its parameter, for messages."""
        if token in self.recipes:
            return self.recipes[token]
        provider = self._providers[token]
        if any(other.token == token for other, _ in chain):
            raise BuildError(
                f"{type_name(token)} needs itself: {_chain(chain, token)}; break the circle, so that one of them is "
                "made first"
            )
        alias, scope = self._alias(provider), provider.scope
        if alias is None:
            call = Call(provider.factory, kind_of_factory(provider.factory), tuple(self._sources(provider, chain)))
        else:
            self._check_alias(provider, self._providers[alias])
            target = self._add(alias, (*chain, (provider, "")))
            call, scope = Call(_same, Kind.SYNC, (("service", target.key),)), target.scope
        return self.recipes.setdefault(token, ResolvedProvider(ServiceKey(token), call, scope))

    def _alias(self, provider: Provider) -> Any:
        """The other token under which the same class is provided, if there is one: both are one service."""
        if is_distinct(provider.token):
            return None
        factory, tokens = provider.factory, tuple(self._providers)  # a tuple: a factory need not be hashable
        others = (p.token for p in self._providers.values() if p.factory is factory and not is_distinct(p.token))
        first = factory if factory in tokens else next(others) if inspect.isclass(factory) else provider.token
        return None if first == provider.token else first

    def _sources(self, provider: Provider, chain: tuple[tuple[Provider, str], ...]) -> Iterator[tuple[str, Hashable]]:
        for parameter in parameters_of(provider.factory):
            here = (*chain, (provider, parameter.name))
            token = self.service_for(parameter.annotation)
            if token is not None:
                needed = self._add(token, here)
                if provider.scope == "app" and needed.scope == "request":
                    raise _outlives(provider, type_name(token), _chain(here, token))
                yield parameter.name, needed.key
            elif not parameter.required:
                continue  # it keeps its default, even if it has a built-in name: a class may have `headers=None`
            elif not self._is_built_in(parameter):
                raise self._missing(provider, parameter, here)
            elif provider.scope == "app" and self._names[parameter.name].scope == "request":
                raise _outlives(provider, repr(parameter.name), _chain(here))
            else:
                yield parameter.name, parameter.name

    def _is_built_in(self, parameter: Parameter) -> bool:
        known = self._names.get(parameter.name)
        return known is not None and known.scope is not None and can_be(known.type, parameter.annotation)

    @staticmethod
    def _check_alias(provider: Provider, target: Provider) -> None:
        declared = (target.replaced or target).scope
        if provider.scope != declared:
            name, same = type_name(provider.token), type_name(target.token)
            raise BuildError(
                f"{name}, provided by {provider}, is one service with {same}, but has the scope {provider.scope!r} "
                f"where {same} has {declared!r}; give both the same scope, or provide {name} by a function"
            )

    def _missing(self, provider: Provider, parameter: Parameter, chain: tuple[tuple[Provider, str], ...]) -> BuildError:
        wanted = parameter.annotation
        if wanted in NOT_A_SERVICE:
            return BuildError(
                f"{provider} takes {parameter.name!r} without saying what it is: {_chain(chain)}; annotate it with the "
                "type of a service, or give it a default"
            )
        if isinstance(wanted, str):
            return BuildError(
                f"{provider} takes {parameter.name!r} as {wanted!r}, which cannot be looked up at run time: "
                f"{_chain(chain)}; import it at module level and not under 'if TYPE_CHECKING'"
            )
        name, token = type_name(wanted), type_name(provider.token)
        add = f"add .provide({name}, …) to the app.{self.hint(wanted)}"
        if getattr(wanted, "__module__", "") == "builtins":
            add = f"give {parameter.name!r} a default, or let a function make it: .provide({token}, make_it)"
        return BuildError(f"nothing provides {name}: {_chain(chain, wanted)}; {add}")

    def _only_for_overridden(self, injected: set[Any]) -> set[Any]:
        """The services that only overridden providers need."""
        unneeded: set[Any] = set()
        while True:
            users = [recipe for token, recipe in self.recipes.items() if token not in unneeded]
            needed = injected | {key.token for recipe in users for key in recipe.needs}
            more = {token for token in self._dropped(unneeded) if token not in needed} - unneeded
            if not more:
                return unneeded
            unneeded |= more

    def _dropped(self, unneeded: set[Any]) -> Iterator[Any]:
        """The services that overridden providers take, and those that unneeded services take."""
        for token, provider in self._providers.items():
            if provider.replaced is not None:
                yield from self._was_made_of(provider.replaced)
            if token in unneeded:
                yield from (key.token for key in self.recipes[token].needs)

    def _was_made_of(self, replaced: Provider) -> Iterator[Any]:
        alias = self._alias(replaced)
        taken = (self.service_for(parameter.annotation) for parameter in parameters_of(replaced.factory))
        made_of = taken if alias is None else (alias,)
        return (token for token in made_of if token is not None)


def _same(service: object) -> object:
    return service


def _outlives(provider: Provider, what: str, chain: str) -> BuildError:
    name, instead = type_name(provider.token), "; the app's nursery is 'app_nursery'" if what == "'nursery'" else ""
    return BuildError(
        f"{name} lives as long as the app, but needs {what}, which lives for one request: {chain}; provide {name} with "
        f"scope='request' too{instead}"
    )


def _chain(chain: tuple[tuple[Provider, str], ...], token: Any = None) -> str:
    """A chain of providers, for messages: `OrderService(store: SqlStore) → SqlStore(pool: Pool)`."""
    wanted = [provider.token for provider, _ in chain[1:]] + [token]
    steps = zip(chain, wanted, strict=True)
    return " → ".join(_link(provider, parameter, to) for (provider, parameter), to in steps)


def _link(provider: Provider, parameter: str, wanted: Any) -> str:
    if not parameter:
        return f"{type_name(provider.token)} (which is {provider})"
    takes = parameter if wanted is None else f"{parameter}: {type_name(wanted)}"
    return f"{str(provider).removesuffix('()')}({takes})"
