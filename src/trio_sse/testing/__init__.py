"""The testing kit: streams in memory, read event by event, under Trio's virtual clock.

Owns everything that a test of an app needs and a server does not. Works with pytest-trio and in a bare `trio.run`.
"""

from ._client import TestClient, TestResponse
from ._leaks import no_leaks
from ._stream import TestStream

__all__ = ("TestClient", "TestResponse", "TestStream", "no_leaks")
