"""Errors of starting a server: what cannot be served as it was asked for.

Owns the exceptions that the command line shows as one line. They are raised alone, not in an exception group.
"""

from __future__ import annotations

__all__ = ("CertificateError", "ListenError", "SetupError", "StartupError")


class SetupError(Exception):
    """What was asked for cannot be served, or not on this system."""


class StartupError(SetupError, RuntimeError):
    """The app has failed to start. The text is what it says about that, in one line or in several."""


class _SetupOSError(SetupError, OSError):
    """A `SetupError` that the operating system is the reason for. Its text is the whole message, without a number."""

    def __str__(self) -> str:
        return str(self.strerror)


class ListenError(_SetupOSError):
    """A socket cannot be listened on."""


class CertificateError(_SetupOSError):
    """A certificate, or another file for TLS, cannot be used."""
