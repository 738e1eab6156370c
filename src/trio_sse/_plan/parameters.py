"""Path parameters: the type of each one, by the annotations of the steps or by `.types()`.

Owns all checks of path parameters within one route. Pure. It reads no requests, and does not know the other names of a
route.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

import attrs

from .._ground.naming import nearest, type_name
from .._ground.signatures import UNKNOWN, Parameter, class_annotations, fits
from .._http.segments import check_segment_type
from .._routes.models import IdField, Reference, id_field_of, parameter_names, repository_token
from .._routes.routes import Route
from .._routes.steps import Typed
from ..errors import BuildError
from .params_class import params_fields
from .services import ServiceGraph

__all__ = ("PathModel", "PathParameters")


@attrs.frozen
class PathModel:
    """A path parameter that `.types()` turns into a reference, or into the model itself if it is required."""

    parameter: str
    step: Typed
    id_field: IdField

    @property
    def offers(self) -> Any:
        """The type of the parameter, with which annotations are compared."""
        return self.step.model if self.step.required else Reference[self.step.model]  # type: ignore[name-defined]  # a value, not a type

    def fits(self, wanted: Any) -> bool:
        """Whether a step may annotate the parameter so."""
        if get_origin(wanted) is Reference and not self.step.required:
            return fits(self.step.model, get_args(wanted)[0])
        return fits(self.offers, wanted)

    def hint(self, wanted: Any) -> str:
        """What to do about an annotation that does not fit, for a message."""
        model, name = type_name(self.step.model), self.parameter
        if self.step.required:
            return " itself, since it is required" if _is_reference(wanted) else ""
        if get_origin(wanted) is Reference:
            return ""
        if wanted is self.step.model:
            return f"; await it, or let .types(required({model})) look it up"
        return f"; its id is {name}.id"


class PathParameters:
    """The path parameters of a route.

    Attributes:
        models: The parameters that `.types()` turns into models or references.

    Raises:
        BuildError: `.types()` matches no parameter, or several, or one that takes the rest of the path, or nothing
            provides the repository that it needs.
    """

    def __init__(self, route: Route, wiring: ServiceGraph) -> None:
        self._route = route
        self._wiring = wiring
        self._wanted: dict[str, Any] = dict.fromkeys(route.path.names, UNKNOWN)
        self.models: dict[str, PathModel] = {}
        for step in route.steps:
            if isinstance(step, Typed):
                self._add(step)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in the path's order."""
        return tuple(self._wanted)

    def take_class(self, model: type[Any], who: str) -> None:
        """Record the types that a step wants, where it takes the parameters as one value of a class.

        Raises:
            BuildError: As for `take`; or a field has no parameter, or has one and is private.
        """
        annotations = class_annotations(model)
        for field in params_fields(model):
            if field.name in self._wanted and field.name.startswith("_"):
                raise self._error(
                    f"{who} wants 'params' as {type_name(model)}, whose field {field.name!r} is private, so that a "
                    "client cannot set it; call the field and the path parameter otherwise"
                )
            if field.name in self._wanted:
                self.take(
                    Parameter(field.name, annotations.get(field.name, UNKNOWN), True), f"{who} ({type_name(model)})"
                )
            elif field.required:
                raise self._error(
                    f"{who} wants 'params' as {type_name(model)}, whose field {field.name!r} is not a parameter of the "
                    f"path {self._route.path}.{nearest(field.name, self._wanted)}"
                )

    def fields_of(self, model: type[Any]) -> tuple[tuple[str, str], ...]:
        """The fields of such a class that are filled: the name of the constructor's argument, and the parameter."""
        return tuple((field.argument, field.name) for field in params_fields(model) if field.name in self._wanted)

    def take(self, parameter: Parameter, who: str) -> None:
        """Record the type that a step wants for a parameter.

        Raises:
            BuildError: `.types()` makes it another type, or another step wants another type.
        """
        model, wanted = self.models.get(parameter.name), parameter.annotation
        if model is None:
            self._take_plain(parameter, who)
        elif not model.fits(wanted):
            raise self._error(
                f"{who} wants {parameter.name!r} as {type_name(wanted)}, but it is {type_name(model.offers)}"
                f"{model.hint(wanted)}"
            )

    def conversions(self) -> tuple[tuple[str, Any], ...]:
        """Each name with the type that its text is converted to; None for plain text.

        Raises:
            BuildError: A path segment cannot be read into that type.
        """
        return tuple((name, self._conversion(name)) for name in self._wanted)

    # -- `.types()`

    def _add(self, step: Typed) -> None:
        name = self._match(step)
        if name in self.models:
            raise self._error(f"{step} is for {name!r}, as {self.models[name].step} is; a path parameter has one type")
        if name == self._route.path.rest:
            raise self._error(f"{step} is for '*{name}', the rest of the path, which is text; take it as str")
        try:
            id_field = id_field_of(step.model)
        except TypeError as problem:
            raise self._error(f"{step}: {problem}") from None
        self._check_repository(step)
        self.models[name] = PathModel(name, step, id_field)

    def _match(self, step: Typed) -> str:
        path, names = self._route.path, self._route.path.names
        there = f"the path {path} has " + (", ".join(f":{name}" for name in names) or "no parameters")
        if step.parameter is not None:
            if step.parameter not in names:
                raise self._error(f"{step} names a parameter that is not there; {there}")
            return step.parameter
        matching = [name for name in names if name in parameter_names(step.model)]
        if not matching:
            usual = ", ".join(f":{name}" for name in _usual_names(step.model))
            example = f" Name one as in .types({names[0]}={type_name(step.model)})." if names else ""
            raise self._error(f"{step} matches no parameter; {there}. It would match {usual}.{example}")
        if len(matching) > 1:
            either = ", ".join(f"{name}={type_name(step.model)}" for name in matching)
            raise self._error(f"{step} matches several parameters; name those that are meant, as in .types({either})")
        return matching[0]

    def _check_repository(self, step: Typed) -> None:
        token = repository_token(step.model)
        if token not in self._wiring:
            name = type_name(token)
            raise self._error(
                f"{step} needs {name}, which nothing provides; add .provide({name}, …) to the app."
                f"{self._wiring.hint(token)}"
            )

    # -- annotations

    def _take_plain(self, parameter: Parameter, who: str) -> None:
        wanted, known = parameter.annotation, self._wanted[parameter.name]
        if wanted is UNKNOWN or wanted is Any:
            return
        if isinstance(wanted, str):
            raise self._error(
                f"{who} wants the path parameter {parameter.name!r} as {wanted!r}, which cannot be looked up at run "
                "time; the annotation converts it, so import it at module level and not under 'if TYPE_CHECKING'"
            )
        if _is_reference(wanted):
            model = type_name(get_args(wanted)[0]) if get_args(wanted) else "Model"
            raise self._error(
                f"{who} wants the path parameter {parameter.name!r} as {type_name(wanted)}; "
                f"add .types({parameter.name}={model}) to make it one"
            )
        if known is not UNKNOWN and known != wanted:
            raise self._error(
                f"{who} wants the path parameter {parameter.name!r} as {type_name(wanted)}, "
                f"another step wants it as {type_name(known)}; a path parameter has one type"
            )
        self._wanted[parameter.name] = wanted

    def _conversion(self, name: str) -> Any:
        model = self.models.get(name)
        wanted = self._wanted[name] if model is None else model.id_field.type
        if wanted is UNKNOWN or wanted is str:
            return None
        if name == self._route.path.rest:
            raise self._error(
                f"the path parameter {name!r} is annotated {type_name(wanted)}, but '*{name}' takes the rest of the "
                "path, which is text; annotate it str"
            )
        try:
            check_segment_type(wanted)
        except TypeError as problem:
            what = (
                f"the path parameter {name!r} is annotated {type_name(wanted)}"
                if model is None
                else f"{model.step}: the id field {type_name(model.step.model)}.{model.id_field.name} is annotated "
                f"{type_name(wanted)}"
            )
            raise self._error(
                f"{what}, which a path segment cannot be read into ({problem}); use str, int, float, bool, UUID, "
                "Decimal, date, datetime, a Literal, or an Enum of text or of integers"
            ) from None
        return wanted

    def _error(self, message: str) -> BuildError:
        return BuildError(f"{self._route}: {message}")


def _is_reference(annotation: Any) -> bool:
    return Reference in (annotation, get_origin(annotation))


def _usual_names(model: type[Any]) -> Iterator[str]:
    """The names that messages suggest: the Python one, and the class's own."""
    names = sorted(parameter_names(model), key=lambda name: (name != name.lower(), len(name), name))
    yield names[0]
    yield model.__name__
