"""Controllers: routes that share a prefix, services and steps.

Owns their composition: `flatten` returns plain routes, with full paths and names. The planner and the runtime do not
know controllers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import attrs

from .._http.paths import Path, to_path
from ..errors import BuildError
from .builder import Builder
from .mounts import Mount
from .routes import Route

__all__ = ("Controller",)


@attrs.frozen(repr=False)
class Controller(Builder):
    """Routes under one prefix, which share services and steps. Immutable.

    The shared steps run before those of a route. A controller may contain others.

    Args:
        prefix: The pattern that all paths begin with, as in `/orders`; it may have parameters.
        steps: The shared steps; added with `use`, `guard` and `types`.
        services: The shared services, by name; added with `inject`.
        members: The routes and controllers, by name; added with `routes`.
    """

    prefix: Path = attrs.field(converter=to_path)
    members: tuple[tuple[str, Route | Controller], ...] = attrs.field(default=(), kw_only=True)

    def routes(self, **members: Route | Controller) -> Self:
        """Add routes and controllers by name. The name of a controller comes before the names of its routes.

        Raises:
            BuildError: A member is not a route or a controller, or its name is taken.
        """
        for name, member in members.items():
            if not isinstance(member, Route | Controller):  # pyright: ignore[reportUnnecessaryIsInstance]
                hint = "; add a mount to the app, since steps are not run for it" if isinstance(member, Mount) else ""  # pyright: ignore[reportUnnecessaryIsInstance]
                raise BuildError(
                    f"{self}: .routes({name}=…) takes a route, such as Get('/').handle(list_orders), or a controller, "
                    f"not {member!r}{hint}"
                )
            if name in dict(self.members):
                raise BuildError(f"{self} has a route {name!r} already; choose another name")
        return attrs.evolve(self, members=(*self.members, *members.items()))

    @property
    def name(self) -> str:
        """The name under which `App.add` adds it by default: the last literal segment of its prefix."""
        literals = self.prefix.literals
        return literals[-1].replace("-", "_") if literals else ""

    def flatten(self, name: str) -> Iterator[Route]:
        """The routes, with the shared prefix, steps and services, and with names that begin with `name`."""
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
            response_headers=self.response_headers + route.response_headers,
            name=name,
        )

    def __str__(self) -> str:
        return f"Controller {self.prefix}"

    def __repr__(self) -> str:
        members = ", ".join(f"{name}={member!r}" for name, member in self.members)
        return f"Controller({str(self.prefix)!r}){self._shared()}" + (f".routes({members})" if members else "")
