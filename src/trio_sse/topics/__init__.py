"""Topics: what happens to one model, published to and subscribed to.

Owns `Topic` and `Topics`, the protocols of an engine, and the engine in memory.
"""

from ..errors import Lagged, UnboundError
from ._memory import MemoryTopic, MemoryTopics
from ._topic import HasEvents, HasTopic, Topic, Topics

__all__ = ("HasEvents", "HasTopic", "Lagged", "MemoryTopic", "MemoryTopics", "Topic", "Topics", "UnboundError")
