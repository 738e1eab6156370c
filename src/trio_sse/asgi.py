"""ASGI 3: the types of an app and of the two functions that it is called with.

Owns the aliases alone; the specification (https://asgi.readthedocs.io) says what the messages hold. An ASGI middleware
can be annotated with them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

__all__ = ("ASGIApp", "Message", "Receive", "Send")

Message: TypeAlias = MutableMapping[str, Any]
"""A scope, or a message to or from an app."""

Receive: TypeAlias = Callable[[], Awaitable[Message]]
"""Waits for the next message to the app."""

Send: TypeAlias = Callable[[Message], Awaitable[None]]
"""Sends a message from the app."""

ASGIApp: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
"""An app, or a middleware around one."""
