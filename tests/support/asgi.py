"""ASGI by hand, for the few tests that call an app without a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trio_sse.testing import TestClient

__all__ = ("scope_of",)


def scope_of(method: str, target: str, headers: Mapping[str, str], **extra: Any) -> dict[str, Any]:
    """The scope of a request."""
    return TestClient(None)._request_scope(method, target, {}, headers, extra)
