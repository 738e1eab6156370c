"""Users: authentication and authorization.

The tokens are part of the example. A real service verifies tokens that another service issues: see
docs/how-to/authenticate.md.
"""

from __future__ import annotations

import attrs

from trio_sse.auth import bearer, fixed_secrets

from .domain import Order

__all__ = ("User", "authenticate", "is_clerk", "may_see")


@attrs.frozen
class User:
    """The owner of a token."""

    name: str
    clerk: bool = False


authenticate = bearer(
    fixed_secrets({"ada-token": User("ada"), "bob-token": User("bob"), "clerk-token": User("eve", clerk=True)})
)


def may_see(user: User, order: Order) -> bool:
    """Whether a user may see an order: their own, or, as a clerk, any order."""
    return user.clerk or order.customer == user.name


def is_clerk(user: User) -> bool:
    """Whether a user is a clerk."""
    return user.clerk
