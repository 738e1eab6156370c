"""Supply: what has to be made for a call, put into the plan just before the first call that needs it.

Owns the operations that no step stands for: services, references, the path parameters as one value. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from .._routes.models import repository_token
from ..errors import BuildError
from .parameters import PathParameters
from .plan import Fetch, Gather, Load, Make, Operation, ParamsKey, Refer
from .services import ServiceGraph, ServiceKey

__all__ = ("Supply",)


class Supply:
    """Adds operations to a plan in the making.

    Attributes:
        needs: The built-in names that services take.
    """

    def __init__(self, parameters: PathParameters, wiring: ServiceGraph, operations: list[Operation]) -> None:
        self._parameters = parameters
        self._wiring = wiring
        self._operations = operations
        self._made: set[Hashable] = set()
        self._loaded: set[str] = set()
        self.needs: set[str] = set()

    def service(self, token: Any) -> ServiceKey:
        """See to a service, and to those that it is made of."""
        for recipe in self._wiring.in_order(token):
            if self._first(recipe.key):
                self.needs.update(key for key in recipe.call.keys if isinstance(key, str))
                self._operations.append(Make(recipe) if recipe.scope == "request" else Fetch(recipe.key))
        return ServiceKey(token)

    def parameter(self, name: str, who: str) -> str:
        """See to a path parameter: a reference is made, a required model has been loaded.

        Raises:
            BuildError: It is loaded by a later step only.
        """
        model = self._parameters.models.get(name)
        if model is not None and model.step.required and name not in self._loaded:
            raise BuildError(f"{who} asks for {name!r} before {model.step} has looked it up; move that step up")
        if model is not None and not model.step.required:
            self._refer(name)
        return name

    def load(self, name: str) -> None:
        """Look a required model up here."""
        self._refer(name)
        self._operations.append(Load(name))
        self._loaded.add(name)

    def params(self, model: type[Any] | None, who: str) -> Hashable:
        """See to the path parameters as one value: of the user's class, or `params` without one."""
        names = self._parameters.names
        fields = tuple((name, name) for name in names) if model is None else self._parameters.fields_of(model)
        key: Hashable = "params" if model is None else ParamsKey(model)
        for _, name in fields:
            self.parameter(name, f"{who} takes 'params', and so")
        if self._first(key):
            self._operations.append(Gather(key, model, fields))
        return key

    def _refer(self, name: str) -> None:
        model = self._parameters.models[name].step.model
        if self._first(("reference", name)):
            repository = self.service(repository_token(model))
            self._operations.append(Refer(name, model, repository))

    def _first(self, key: Hashable) -> bool:
        """Whether this has not been seen to before."""
        new = key not in self._made
        self._made.add(key)
        return new
