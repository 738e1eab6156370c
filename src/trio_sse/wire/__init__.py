"""The wire format of Server-Sent Events, WHATWG HTML section 9.2: from events to bytes, and back.

Owns the format.  Must not know Trio, HTTP, routes or time: nothing here waits, and there is no state except what the
caller holds.  The modules form a ladder, each importing only those before it: `_event` (what an event is), `_encode`,
`_decode`, `_encoded`, `_published`, `_items`.
"""

from ..errors import DecodeError, EventError, EventTooLarge
from ._decode import Decoder
from ._encode import JSONEncoder, encode, encode_comment, encode_json, encode_many
from ._encoded import EncodedEvent
from ._event import (
    DONE_ID,
    MAX_ID_SIZE,
    MAX_RETRY,
    NO_DATA,
    Done,
    EventFields,
    EventLike,
    NoData,
    ServerSentEvent,
    check_name,
    check_retry,
)
from ._items import EventItem, Events
from ._published import Gap, GapReason, PublishedEvent

__all__ = (
    "DONE_ID",
    "MAX_ID_SIZE",
    "MAX_RETRY",
    "NO_DATA",
    "DecodeError",
    "Decoder",
    "Done",
    "EncodedEvent",
    "EventError",
    "EventFields",
    "EventItem",
    "EventLike",
    "EventTooLarge",
    "Events",
    "Gap",
    "GapReason",
    "JSONEncoder",
    "NoData",
    "PublishedEvent",
    "ServerSentEvent",
    "check_name",
    "check_retry",
    "encode",
    "encode_comment",
    "encode_json",
    "encode_many",
)
