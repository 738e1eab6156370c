"""The client: `EventSource` reads event streams in Trio programs.

It needs httpx2, which `pip install trio-sse[client]` installs. Only `trio-sse tail` imports it.
"""

try:
    from ._source import EventSource, ReadyState, Values
except ModuleNotFoundError as _error:
    if _error.name != "httpx2":
        raise
    raise ModuleNotFoundError(
        "trio_sse.client needs httpx2, which is not installed: pip install trio-sse[client]", name="httpx2"
    ) from None
from ._errors import BadResponse, ConnectionFailed, ConnectionLost, UnreadableEvent
from ._retry import Retry
from ._values import EventTypes

__all__ = (
    "BadResponse",
    "ConnectionFailed",
    "ConnectionLost",
    "EventSource",
    "EventTypes",
    "ReadyState",
    "Retry",
    "UnreadableEvent",
    "Values",
)
