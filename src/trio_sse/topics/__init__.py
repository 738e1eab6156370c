"""Topics: publish and subscribe to the events of one model.

Owns the protocols of an engine, `Topic` and `Topics`, the engine in memory, and `HasEvents`, which lets a model carry
its topic. It does not know routes or streams: a handler iterates over a topic and yields what it likes.
"""

from ..errors import Lagged, UnboundError
from ._memory import MemoryTopic, MemoryTopics
from ._topic import HasEvents, HasTopic, Topic, Topics

__all__ = ("HasEvents", "HasTopic", "Lagged", "MemoryTopic", "MemoryTopics", "Topic", "Topics", "UnboundError")
