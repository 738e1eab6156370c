"""The operations of a plan while it is made: each one comes just before the first call that needs its result.

Owns the order of the operations, and the operations that are not steps of the route: services, references, the path
parameters as one value. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from .._routes.models import repository_token
from ..errors import BuildError
from .parameters import PathParameters
from .plan import CollectParams, LoadModel, MakeReference, MakeService, Operation, ParamsKey, TakeService
from .services import ServiceGraph, ServiceKey

__all__ = ("OperationList",)


class OperationList:
    """Collects the operations of one plan.

    Attributes:
        needs: The built-in names that the calls take.
    """

    def __init__(self, parameters: PathParameters, graph: ServiceGraph) -> None:
        self._parameters = parameters
        self._graph = graph
        self._operations: list[Operation] = []
        self._added: set[Hashable] = set()
        self._loaded: set[str] = set()
        self.needs: set[str] = set()

    def add(self, operation: Operation) -> None:
        """Add the operation of a step."""
        self._operations.append(operation)

    def in_order(self) -> tuple[Operation, ...]:
        """All operations, in the order in which they run."""
        return tuple(self._operations)

    def service(self, token: Any) -> ServiceKey:
        """Add the operations that make a service and the services that it needs; return its key."""
        for provider in self._graph.in_order(token):
            if self._is_first(provider.key):
                self.needs.update(key for key in provider.call.keys if isinstance(key, str))
                self.add(MakeService(provider) if provider.scope == "request" else TakeService(provider.key))
        return ServiceKey(token)

    def parameter(self, name: str, who: str) -> str:
        """Add the operation that makes the reference of a path parameter, if it is one; return its key.

        Raises:
            BuildError: The parameter is a required model, and only a later step looks it up.
        """
        model = self._parameters.models.get(name)
        if model is not None and model.step.required and name not in self._loaded:
            raise BuildError(f"{who} asks for {name!r} before {model.step} has looked it up; move that step up")
        if model is not None and not model.step.required:
            self._reference(name)
        return name

    def load(self, name: str) -> None:
        """Add the look-up of a required model."""
        self._reference(name)
        self.add(LoadModel(name))
        self._loaded.add(name)

    def params(self, model: type[Any] | None, who: str) -> Hashable:
        """Add the path parameters as one value: of the user's class, or `params` without one."""
        names = self._parameters.names
        fields = tuple((name, name) for name in names) if model is None else self._parameters.fields_of(model)
        key: Hashable = "params" if model is None else ParamsKey(model)
        for _, name in fields:
            self.parameter(name, f"{who} takes 'params', and so")
        if self._is_first(key):
            self.add(CollectParams(key, model, fields))
        return key

    def _reference(self, name: str) -> None:
        model = self._parameters.models[name].step.model
        if self._is_first(("reference", name)):
            repository = self.service(repository_token(model))
            self.add(MakeReference(name, model, repository))

    def _is_first(self, key: Hashable) -> bool:
        """Whether nothing with this key has been added before. It counts as added from now on."""
        new = key not in self._added
        self._added.add(key)
        return new
