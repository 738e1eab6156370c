"""The testing kit: streams in memory, read event by event, under Trio's virtual clock.

Owns what a test of an app needs in place of a server. Works with pytest-trio and in a plain `trio.run`. Nothing else in
the package imports it.
"""

from ._client import TestClient, TestResponse
from ._leaks import no_leaks
from ._stream import TestStream

__all__ = ("TestClient", "TestResponse", "TestStream", "no_leaks")
