"""Middleware and guards: authenticate, authorize, and then stream.

curl -N -H "Authorization: Bearer root" http://127.0.0.1:8000/dashboard/events
curl -i -H "Authorization: Bearer guest" http://127.0.0.1:8000/dashboard/events
"""

from __future__ import annotations

import attrs

from trio_sse import SSE, Events
from trio_sse.auth import bearer, fixed_secrets


@attrs.frozen
class User:
    name: str
    role: str


verify = fixed_secrets({"root": User("Ada", "admin"), "guest": User("Bob", "visitor")})


@SSE("/dashboard/events").use(user=bearer(verify)).guard(lambda user: user.role == "admin").handle
async def route(user: User) -> Events:
    yield {"event": "welcome", "data": {"name": user.name}}
