"""The built-in names: what a request offers its steps and handlers beside what the route itself provides."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Final

__all__ = ("BUILT_IN",)

BUILT_IN: Final[Mapping[str, str]] = types.MappingProxyType(
    {
        "aborted": "tells that something other than the handler ended the request",
        "app_nursery": "the app's nursery; its tasks outlive the request",
        "body": "the request body: bytes, or what .body() declared",
        "cookies": "the request's cookies",
        "count_as": "says whose stream it is, for Limits(streams_per_client=…)",
        "draining": "tells that the server is shutting down",
        "expire_at": "ends the stream at a wall-clock time, so that its client comes back with fresh credentials",
        "headers": "the request's headers",
        "last_event_id": "the id after which a reconnecting client goes on, or None",
        "nursery": "the request's nursery; its tasks end with the request",
        "params": "the path parameters",
        "query": "the query string's values, or what .query() declared",
        "request": "the request itself",
        "statistics": "gives the app's Statistics",
        "url": "makes the URL of a named route",
    }
)
