"""The repository in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar, Generic, TypeVar

import attrs
import pytest
import trio
from trio.testing import MockClock

from trio_sse.errors import UnboundError
from trio_sse.models import MemoryRepository, Repository
from trio_sse.topics import HasEvents, MemoryTopics

T = TypeVar("T")


@attrs.frozen
class Plain:
    id: int
    text: str = ""


@attrs.frozen
class Order(HasEvents[str]):
    id_field: ClassVar[str] = "number"

    number: str
    item: str = ""


@attrs.frozen
class Rush(Order):
    pass


@attrs.define  # pyright: ignore[reportGeneralTypeIssues]
class Draft(HasEvents[str]):
    id: int
    text: str = ""


@attrs.frozen
class Box(HasEvents[str], Generic[T]):
    id: int


async def soon(iterator: AsyncIterator[T]) -> T:
    """The next event; one that does not come is a failure, not a test without end."""
    with trio.fail_after(60):
        return await anext(iterator)


async def test_it_keeps_models_by_id() -> None:
    repository = MemoryRepository(Plain, [Plain(1), Plain(2)])
    assert await repository.get(1) == Plain(1)
    assert await repository.get(3) is None
    assert await repository.list() == [Plain(1), Plain(2)]
    assert await repository.save(Plain(3)) == Plain(3)
    assert await repository.save(Plain(1, "new")) == Plain(1, "new")
    assert await repository.list() == [Plain(1, "new"), Plain(2), Plain(3)]
    assert await repository.delete(2) is True
    assert await repository.delete(2) is False
    assert await repository.list() == [Plain(1, "new"), Plain(3)]


async def test_many_are_found_by_id_and_those_that_are_not_there_are_left_out() -> None:
    repository: Repository[Plain] = MemoryRepository(Plain, [Plain(1), Plain(2)])
    assert await repository.get_many([2, 3]) == {2: Plain(2)}
    assert await repository.get_many([]) == {}


async def test_what_is_given_out_is_no_way_to_change_what_is_kept() -> None:
    repository = MemoryRepository(Plain, [Plain(1)])
    (await repository.list()).clear()
    assert await repository.list() == [Plain(1)]


async def test_the_id_may_be_another_field() -> None:
    repository = MemoryRepository(Order, [Order("A-1")])
    assert await repository.get("A-1") == Order("A-1")


def test_a_class_without_an_id_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="int has no annotated field 'id'"):
        MemoryRepository(int)


CALLS: list[Callable[[MemoryRepository[Plain]], Awaitable[object]]] = [
    lambda repository: repository.get(1),
    lambda repository: repository.get_many([1]),
    lambda repository: repository.list(),
    lambda repository: repository.save(Plain(1, "changed")),
    lambda repository: repository.delete(1),
]


@pytest.mark.parametrize("call", CALLS)
async def test_every_method_is_a_checkpoint_before_it_does_anything(
    call: Callable[[MemoryRepository[Plain]], Awaitable[object]],
) -> None:
    repository = MemoryRepository(Plain, [Plain(1)])
    with trio.CancelScope() as scope:
        scope.cancel()
        await call(repository)
    assert scope.cancelled_caught
    assert await repository.list() == [Plain(1)]


# -- events


async def test_models_are_bound_to_their_topics() -> None:
    topics = MemoryTopics()
    repository = MemoryRepository(Order, [Order("A-1")], topics=topics)
    found, saved = await repository.get("A-1"), await repository.save(Order("A-2"))
    assert found is not None
    assert found.events is topics.topic(Order, "A-1")
    assert saved.events is topics.topic(Order, "A-2")
    assert [each.events for each in await repository.list()] == [found.events, saved.events]
    assert (await repository.get_many(["A-2"]))["A-2"].events is saved.events


async def test_a_model_that_was_bound_elsewhere_is_bound_anew() -> None:
    here, elsewhere = MemoryTopics(), MemoryTopics()
    foreign = Order("A-1", events=elsewhere.topic(Order, "A-1"))
    saved = await MemoryRepository(Order, topics=here).save(foreign)
    assert saved.events is here.topic(Order, "A-1") is not foreign.events


async def test_what_is_saved_again_keeps_its_topic(autojump_clock: MockClock) -> None:
    repository = MemoryRepository(Order, [Order("A-1")], topics=MemoryTopics())
    found = await repository.get("A-1")
    assert found is not None
    subscription = aiter(found.events)
    saved = await repository.save(attrs.evolve(found, item="book"))
    await saved.events.publish("changed")
    assert await soon(subscription) == "changed"


async def test_a_model_of_a_derived_class_has_the_topic_of_the_repository_s() -> None:
    topics = MemoryTopics()
    saved = await MemoryRepository(Order, topics=topics).save(Rush("A-1"))
    assert isinstance(saved, Rush)
    assert saved.events is topics.topic(Order, "A-1")


async def test_a_mutable_model_is_bound_as_a_copy() -> None:
    draft = Draft(1)
    repository = MemoryRepository(Draft, [draft], topics=MemoryTopics())
    draft.text = "changed"  # type: ignore[misc] # to a type checker all that derives from a frozen class is frozen
    kept = await repository.get(1)
    assert kept is not None
    assert kept.text == ""
    kept.text = "new"  # type: ignore[misc]
    assert kept.events is (await repository.save(kept)).events


async def test_a_generic_model_may_be_named_with_its_arguments() -> None:
    topics = MemoryTopics()
    repository: MemoryRepository[Box[int]] = MemoryRepository(Box[int], topics=topics)
    saved = await repository.save(Box(1))
    assert saved.events is topics.topic(Box, 1)
    assert repr(repository) == "<MemoryRepository of Box, 1 models>"


async def test_without_topics_nothing_is_bound_and_without_events_there_is_nothing_to_bind() -> None:
    found: Any = await MemoryRepository(Order, [Order("A-1")]).get("A-1")
    with pytest.raises(UnboundError):
        _ = found.events
    plain = Plain(1)
    assert await MemoryRepository(Plain, [plain], topics=MemoryTopics()).get(1) is plain
