"""The testing kit: reads streams in memory, event by event, under Trio's virtual clock.

Owns what a test of an app needs in place of a server. It works with pytest-trio and with `trio.run`. Nothing else in
the package imports it.
"""

from ._client import TestClient, TestResponse
from ._leaks import no_leaks
from ._stream import TestStream
from ._topics import pending

__all__ = ("TestClient", "TestResponse", "TestStream", "no_leaks", "pending")
