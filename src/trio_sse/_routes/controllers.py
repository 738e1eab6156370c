"""Controllers: routes that share a prefix, services and steps.

Owns how they are put together: `flatten` makes plain routes of them, with their whole paths and names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import attrs

from .._http.paths import Path, to_path
from ..errors import BuildError
from .builder import Builder
from .routes import Route

__all__ = ("Controller",)


@attrs.frozen(repr=False)
class Controller(Builder):
    """Routes under one prefix, with services and steps that all of them share. Immutable.

    The shared steps run before those of a route. A controller may hold others.

    Args:
        prefix: The pattern that all its paths begin with, as in `/orders`; it may have parameters.
    """

    prefix: Path = attrs.field(converter=to_path)
    members: tuple[tuple[str, Route | Controller], ...] = attrs.field(default=(), kw_only=True)

    def routes(self, **members: Route | Controller) -> Self:
        """Add routes by name, and controllers, whose routes' names then begin with theirs.

        Raises:
            BuildError: Something is no route, or the name is taken.
        """
        for name, member in members.items():
            if not isinstance(member, Route | Controller):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise BuildError(
                    f"{self}: .routes({name}=…) takes a route, such as Get('/').handle(list_orders), or a controller, "
                    f"not {member!r}"
                )
            if name in dict(self.members):
                raise BuildError(f"{self} has a route {name!r} already; choose another name")
        return attrs.evolve(self, members=(*self.members, *members.items()))

    @property
    def name(self) -> str:
        """The name that it has in an app unless it is added by another one: the last word of its prefix."""
        literal = [segment for segment in self.prefix.segments if not segment.startswith(":")]
        return literal[-1].replace("-", "_") if literal else ""

    def flatten(self, name: str) -> Iterator[Route]:
        """Its routes, with all that they share, and with names that begin with `name`."""
        for own, member in self.members:
            full = f"{name}.{own}" if name else own
            for route in (member,) if isinstance(member, Route) else member.flatten(full):
                yield self._around(route, full if route is member else route.name)

    def _around(self, route: Route, name: str) -> Route:
        return attrs.evolve(
            route,
            path=route.path.under(self.prefix),
            steps=self.steps + route.steps,
            services=self.services + route.services,
            name=name,
        )

    def __str__(self) -> str:
        return f"Controller {self.prefix}"

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={member!r}" for name, member in self.members)
        return f"Controller({str(self.prefix)!r}){self._shared()}" + (f".routes({members})" if members else "")
