"""Who may ask: the people behind the tokens.

The tokens are part of the example. A real service verifies tokens that somebody else issues: see
docs/how-to/authenticate.md.
"""

from __future__ import annotations

import attrs

from trio_sse.auth import bearer, fixed_secrets

from .domain import Order

__all__ = ("User", "authenticate", "is_clerk", "may_see")


@attrs.frozen
class User:
    """Somebody who has shown a token."""

    name: str
    clerk: bool = False


authenticate = bearer(
    fixed_secrets({"ada-token": User("ada"), "bob-token": User("bob"), "clerk-token": User("eve", clerk=True)})
)


def may_see(user: User, order: Order) -> bool:
    """Whether an order is a user's business: their own is, and every one is a clerk's."""
    return user.clerk or order.customer == user.name


def is_clerk(user: User) -> bool:
    """Whether a user works here."""
    return user.clerk
