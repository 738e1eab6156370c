"""Topics: publish, and subscribe with a history and a resume that tells what is missing.

Owns the engine protocol, the engine in memory, the hub with its cursors, and `HasEvents`, which lets a model carry its
topic. It does not know routes or streams: a handler iterates over a subscription and yields what it likes, and
`SSE.topic` makes a handler that does so. The modules form a ladder: names, positions and histories; `_engine`; `_log`;
`_ring`; `_hub`; `_reader`; `_subscription`; `_topic`, `_topics`; `_memory`.
"""

from ..errors import Lagged, TooSlow, TopicEnded, TopicNameError, UnboundError
from ..wire import Gap, GapReason, PublishedEvent
from ._history import History
from ._memory import MemoryTopic, MemoryTopics
from ._reader import Since, Slow
from ._subscription import Subscribed, Subscription
from ._topic import HasEvents, HasTopic, Topic, Topics

__all__ = (
    "Gap",
    "GapReason",
    "HasEvents",
    "HasTopic",
    "History",
    "Lagged",
    "MemoryTopic",
    "MemoryTopics",
    "PublishedEvent",
    "Since",
    "Slow",
    "Subscribed",
    "Subscription",
    "TooSlow",
    "Topic",
    "TopicEnded",
    "TopicNameError",
    "Topics",
    "UnboundError",
)
