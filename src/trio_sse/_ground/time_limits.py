"""Time limits that several parts of the package share."""

from __future__ import annotations

from typing import Final

__all__ = ("CLEANUP_TIMEOUT",)

CLEANUP_TIMEOUT: Final = 5.0
"""Seconds that the clean-up of a handler, a step or a service may take: the default of `App.cleanup_timeout`."""
