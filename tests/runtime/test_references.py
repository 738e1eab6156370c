"""References: what they are as values, and how a request looks up what they stand for."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NewType
from uuid import UUID

import attrs
import pytest
import trio
from trio.testing import MockClock, Sequencer, wait_all_tasks_blocked

from trio_sse import SSE, App, Get, Post, Reference, required
from trio_sse._routes.models import IdField, id_field_of
from trio_sse._runtime.cached_repository import CachedRepository
from trio_sse.models import MemoryRepository, Repository, resolve
from trio_sse.testing import TestClient


@attrs.frozen
class Ticket:
    id: int
    subject: str = ""


@attrs.frozen
class Room:
    id: int


class Counting:
    """A repository that notes what it is asked for, takes a second, and does what it is told."""

    def __init__(self, *models: Ticket) -> None:
        self.models: dict[Any, Ticket] = {model.id: model for model in models}
        self.asked: list[Any] = []
        self.failures: list[Exception] = []

    async def get(self, id: Any, /) -> Ticket | None:
        self.asked.append(id)
        await trio.sleep(1)
        if self.failures:
            raise self.failures.pop(0)
        return self.models.get(id)

    async def get_many(self, ids: Sequence[Any], /) -> Mapping[Any, Ticket]:
        self.asked.append([*ids])
        await trio.sleep(1)
        return {id: self.models[id] for id in reversed(ids) if id in self.models}


ONE, TWO = Ticket(1, "one"), Ticket(2, "two")


def reference(id: Any, repository: Any = None, model: Any = Ticket) -> Reference[Any]:
    return Reference(model, id, repository if repository is not None else Counting(ONE, TWO))


# -- a value


def test_two_are_equal_when_model_and_id_are() -> None:
    assert reference(1) == reference(1)
    assert hash(reference(1)) == hash(reference(1))
    assert reference(1) != reference(2)
    assert reference(1) != reference(1, model=Room)
    assert reference(1) != 1
    assert len({reference(1), reference(1), reference(2), reference(1, model=Room)}) == 3


def test_one_shows_its_model_and_id() -> None:
    assert repr(reference(1)) == "Reference(Ticket, 1)"
    assert repr(reference("a", model=Room)) == "Reference(Room, 'a')"
    assert reference(UUID(int=1)).id == UUID(int=1)
    assert reference(1).model is Ticket


def test_one_has_no_room_for_more() -> None:
    with pytest.raises(AttributeError):
        reference(1).subject = "x"  # type: ignore[attr-defined]


async def test_awaiting_one_gives_the_model_or_none(autojump_clock: MockClock) -> None:
    assert await reference(1) is ONE
    assert await reference(3) is None


async def test_one_that_was_made_by_hand_asks_each_time(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    by_hand = reference(1, repository)
    assert [await by_hand, await by_hand] == [ONE, ONE]
    assert repository.asked == [1, 1]


# -- many at once


async def test_many_are_resolved_in_one_call_and_keep_their_order(autojump_clock: MockClock) -> None:
    repository = Counting(ONE, TWO)
    many = [reference(id, repository) for id in (2, 3, 1, 2)]
    assert await resolve(*many) == [TWO, None, ONE, TWO]
    assert repository.asked == [[2, 3, 1]]
    assert trio.current_time() == 1


async def test_each_repository_is_called_once(autojump_clock: MockClock) -> None:
    first, second = Counting(ONE), Counting(Ticket(1, "other"), TWO)
    many = [reference(1, first), reference(1, second), reference(2, first), reference(2, second)]
    assert await resolve(*many) == [ONE, Ticket(1, "other"), None, TWO]
    assert (first.asked, second.asked) == ([[1, 2]], [[1, 2]])


async def test_no_references_need_no_call() -> None:
    assert await resolve() == []


# -- a request's look-ups


async def test_what_has_been_found_is_remembered(autojump_clock: MockClock) -> None:
    repository = Counting(ONE, TWO)
    lookup = CachedRepository(repository)
    assert [await lookup.get(1), await lookup.get(1), await lookup.get(2)] == [ONE, ONE, TWO]
    assert repository.asked == [1, 2]


async def test_a_miss_is_not_remembered(autojump_clock: MockClock) -> None:
    repository = Counting()
    lookup = CachedRepository(repository)
    assert await lookup.get(1) is None
    repository.models[1] = ONE
    assert await lookup.get(1) is ONE
    assert repository.asked == [1, 1]


@attrs.frozen
class Empty:
    """A model that counts as false."""

    id: int

    def __bool__(self) -> bool:
        return False


async def test_a_model_that_counts_as_false_has_been_found(autojump_clock: MockClock) -> None:
    repository: Any = Counting()
    repository.models[1] = Empty(1)
    lookup = CachedRepository(repository)
    assert [await lookup.get(1), await lookup.get(1)] == [Empty(1), Empty(1)]
    assert repository.asked == [1]


async def test_those_that_ask_at_the_same_time_share_a_call(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    lookup = CachedRepository(repository)
    found: list[Any] = []

    async def ask(id: int) -> None:
        found.append(await lookup.get(id))

    async with trio.open_nursery() as nursery:
        for id in (1, 1, 1, 2, 2):
            nursery.start_soon(ask, id)
    assert sorted(repository.asked) == [1, 2]  # those that waited for a miss share it
    assert found.count(ONE) == 3
    assert found.count(None) == 2
    assert trio.current_time() == 1


async def test_who_waits_is_not_cancelled_with_who_asked(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    lookup = CachedRepository(repository)
    found: list[Any] = []
    leader = trio.CancelScope()

    async def lead() -> None:
        with leader:
            found.append(await lookup.get(1))

    async def follow() -> None:
        found.append(await lookup.get(1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lead)
        await wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(follow)
        await trio.sleep(0.5)
        leader.cancel()
    assert found == [ONE, ONE, ONE]
    assert repository.asked == [1, 1]  # one of them asked anew, for all
    assert trio.current_time() == 1.5


async def test_who_waits_is_not_told_of_the_error_of_who_asked(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    repository.failures = [ConnectionError("once")]
    lookup = CachedRepository(repository)
    outcomes: list[Any] = []

    async def ask() -> None:
        try:
            outcomes.append(await lookup.get(1))
        except ConnectionError as error:
            outcomes.append(str(error))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    assert sorted(outcomes, key=str) == [ONE, ONE, "once"]
    assert repository.asked == [1, 1]


async def test_each_that_asks_gets_an_error_of_its_own(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    repository.failures = [ConnectionError(text) for text in ("a", "b", "c")]
    lookup = CachedRepository(repository)
    errors: list[str] = []

    async def ask() -> None:
        with pytest.raises(ConnectionError) as caught:
            await lookup.get(1)
        errors.append(str(caught.value))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    assert sorted(errors) == ["a", "b", "c"]
    assert await lookup.get(1) is ONE


async def test_who_waits_can_be_cancelled_alone(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    lookup = CachedRepository(repository)
    found: list[Any] = []
    sequence = Sequencer()

    async def lead() -> None:
        async with sequence(0):
            pass
        found.append(await lookup.get(1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lead)
        async with sequence(1):
            await wait_all_tasks_blocked()
        with trio.move_on_after(0.5) as scope:
            await lookup.get(1)
        assert scope.cancelled_caught
    assert found == [ONE]
    assert repository.asked == [1]


async def test_a_look_up_that_needs_no_call_is_a_checkpoint_all_the_same(autojump_clock: MockClock) -> None:
    lookup = CachedRepository(Counting(ONE))
    await lookup.get(1)
    for again in (lambda: lookup.get(1), lambda: lookup.get_many([1])):
        with trio.CancelScope() as scope:
            scope.cancel()
            await again()
        assert scope.cancelled_caught


async def test_many_ask_only_for_what_has_not_been_found(autojump_clock: MockClock) -> None:
    repository = Counting(ONE, TWO)
    lookup = CachedRepository(repository)
    await lookup.get(1)
    assert await lookup.get_many([2, 3, 1]) == {1: ONE, 2: TWO}
    assert await lookup.get_many([1, 2]) == {1: ONE, 2: TWO}
    assert await lookup.get(2) is TWO
    assert await lookup.get_many([3]) == {}
    assert repository.asked == [1, [2, 3], [3]]


# -- in a request


async def ask(route: Any, *targets: str, repository: Any = None, method: str = "GET") -> list[tuple[int, Any]]:
    """Ask a route of tickets, and give status and JSON of each reply."""
    app = App().provide(Repository[Ticket], value=repository or Counting(ONE, TWO))
    async with TestClient(app.add(route)) as client:
        replies = [await client.request(method, target) for target in targets]
    return [(reply.status, reply.json() if reply.body else None) for reply in replies]


async def subject(ticket: Reference[Ticket]) -> str | None:
    found = await ticket
    return None if found is None else found.subject


@pytest.mark.parametrize("kind", [Get, Post])
async def test_a_path_parameter_becomes_a_reference(autojump_clock: MockClock, kind: Any) -> None:
    route = kind("/:ticket").types(Ticket).handle(subject)
    answers = await ask(route, "/1", "/3", "/one", method=route.method)
    assert [(status, body if status != 404 else None) for status, body in answers] == [
        (200, "one"),
        (204, None),
        (404, None),
    ]


async def test_a_reference_is_the_same_for_every_step_of_a_request(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)

    async def load(ticket: Reference[Ticket]) -> Any:
        return await ticket

    async def guard(params: Any) -> bool:
        return (await params.ticket) is not None

    async def handler(ticket: Reference[Ticket], params: Any, loaded: Any) -> list[Any]:
        return [ticket is params["ticket"], (await ticket) is loaded, ticket.id]

    route = Get("/:ticket").types(Ticket).use(loaded=load).guard(guard).handle(handler)
    assert await ask(route, "/1", repository=repository) == [(200, [True, True, 1])]
    assert repository.asked == [1]


async def test_each_request_looks_up_anew(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    assert await ask(Get("/:ticket").types(Ticket).handle(subject), "/1", "/1", repository=repository) == [
        (200, "one"),
        (200, "one"),
    ]
    assert repository.asked == [1, 1]


async def test_one_that_nobody_awaits_is_not_looked_up(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    route = Get("/:ticket").types(Ticket).handle(lambda ticket: ticket.id)
    assert await ask(route, "/5", repository=repository) == [(200, 5)]
    assert repository.asked == []


async def test_two_parameters_of_one_model_share_what_has_been_looked_up(autojump_clock: MockClock) -> None:
    repository = Counting(ONE, TWO)

    async def both(first: Reference[Ticket], second: Reference[Ticket]) -> list[str]:
        found = await resolve(first, second)
        again = await first, await second
        return [each.subject for each in (*found, *again) if each is not None]

    route = Get("/:first/:second").types(first=Ticket, second=Ticket).handle(both)
    assert await ask(route, "/2/1", "/1/1", repository=repository) == [
        (200, ["two", "one", "two", "one"]),
        (200, ["one", "one", "one", "one"]),
    ]
    assert repository.asked == [[2, 1], [1]]


async def test_a_required_model_is_the_parameter_itself_or_a_404_before_the_stream(autojump_clock: MockClock) -> None:
    async def stream(ticket: Ticket) -> AsyncIterator[Any]:
        yield {"data": ticket.subject}

    app = App().provide(Repository[Ticket], value=Counting(ONE))
    app = app.add(SSE("/:ticket").types(required(Ticket)).handle(stream))
    async with TestClient(app) as client:
        async with client.stream("/1") as events:
            assert (await events.event()).data == "one"
        reply = await client.get("/2")
    assert (reply.status, reply.json()["detail"]) == (404, "There is no Ticket with this id.")


async def test_a_required_model_is_looked_up_where_its_step_stands_and_once(autojump_clock: MockClock) -> None:
    repository, log = Counting(ONE), []

    def step(name: str) -> Callable[[], bool]:
        def run() -> bool:
            log.append((name, len(repository.asked)))
            return True

        return run

    route = (
        Get("/:ticket")
        .guard(step("before"))
        .types(required(Ticket))
        .guard(step("after"))
        .guard(lambda ticket: bool(ticket.subject))
        .handle(lambda ticket, params: [ticket.subject, params.ticket.subject])
    )
    assert await ask(route, "/1", repository=repository) == [(200, ["one", "one"])]
    assert log == [("before", 0), ("after", 1)]
    assert repository.asked == [1]


async def test_a_required_model_is_looked_up_though_nobody_asks_for_it(autojump_clock: MockClock) -> None:
    route = Get("/:ticket").types(required(Ticket)).handle(lambda: 1)
    assert [status for status, _ in await ask(route, "/1", "/3")] == [200, 404]


async def test_a_guard_before_it_hides_whether_it_is_there(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)
    route = Get("/:ticket").guard(lambda: False).types(required(Ticket)).handle(lambda ticket: 1)
    answers = await ask(route, "/1", "/3", repository=repository)
    assert [status for status, _ in answers] == [403, 403]
    assert repository.asked == []


async def test_a_reference_and_a_required_model_of_one_kind_share_what_was_looked_up(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)

    async def handler(first: Ticket, second: Reference[Ticket]) -> bool:
        return (await second) is first

    route = Get("/:first/:second").types(first=required(Ticket), second=Ticket).handle(handler)
    assert await ask(route, "/1/1", repository=repository) == [(200, True)]
    assert repository.asked == [1]


async def test_concurrent_tasks_of_a_request_share_a_look_up(autojump_clock: MockClock) -> None:
    repository = Counting(ONE)

    async def handler(ticket: Reference[Ticket]) -> int:
        found: list[Any] = []

        async def resolve() -> None:
            found.append(await ticket)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(resolve)
        return found.count(ONE)

    assert await ask(Get("/:ticket").types(Ticket).handle(handler), "/1", repository=repository) == [(200, 5)]
    assert repository.asked == [1]


# -- ids


class Status(enum.Enum):
    OPEN = "open"


TicketNumber = NewType("TicketNumber", int)


@attrs.frozen
class ByUUID:
    id: UUID


@attrs.frozen
class ByText:
    id: str


@attrs.frozen
class ByNumber:
    id_field: ClassVar[str] = "number"

    number: TicketNumber


class ByProperty:
    """No attrs class: any class with an annotated id will do."""

    id_field = "key"

    @property
    def key(self) -> int:
        raise NotImplementedError


@attrs.frozen
class Optional:
    id: int | None = None


@attrs.frozen
class Noted:
    id: Annotated[int, "noted"]


@attrs.frozen
class Derived(ByUUID):
    name: str = ""


@attrs.frozen
class ByStatus:
    id: Status


A_UUID = UUID("8c3c6b4e-5d3f-4d2f-9d57-0f0d7a1d7e11")


@pytest.mark.parametrize(
    ("model", "text", "id"),
    [
        (Ticket, "12", 12),
        (Ticket, "1e3", None),
        (Ticket, "012", None),
        (ByUUID, str(A_UUID), A_UUID),
        (ByUUID, "12", None),
        (ByText, "12", "12"),
        (ByText, "a%2Fb", "a/b"),
        (ByNumber, "12", 12),
        (ByNumber, "x", None),
        (ByProperty, "12", 12),
        (ByProperty, "x", None),
        (Optional, "12", 12),
        (Optional, "null", None),
        (Noted, "12", 12),
        (Derived, str(A_UUID), A_UUID),
        (ByStatus, "open", Status.OPEN),
        (ByStatus, "closed", None),
    ],
)
async def test_an_id_is_read_into_the_type_of_the_model_s_id_field(
    autojump_clock: MockClock, model: Any, text: str, id: Any
) -> None:
    seen: list[Any] = []

    def handler(model: Reference[Any]) -> None:
        seen.append(model.id)

    app = App().provide(Repository[model], value=Counting()).add(Post("/:model").types(model=model).handle(handler))
    async with TestClient(app) as client:
        reply = await client.request("POST", f"/{text}")
    assert reply.status == (404 if id is None else 204)
    assert seen == ([] if id is None else [id])
    assert [type(each) for each in seen] == ([] if id is None else [type(id)])


@attrs.frozen
class Unnamed:
    key: int


@attrs.frozen
class Misnamed:
    id_field: ClassVar[Any] = 5

    id: int


class Unannotated:
    id = 5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Unnamed, "Unnamed has no annotated field 'id'; where another one holds its id, name that in the class"),
        (Misnamed, "Misnamed.id_field is 5; it names the field that holds the id"),
        (Unannotated, "Unannotated has no annotated field 'id'"),
    ],
)
def test_a_model_without_an_id_field_is_a_type_error_that_says_how_to_name_one(model: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        id_field_of(model)
    assert str(caught.value).startswith(message)


def test_the_id_field_of_a_generic_model_is_that_of_its_class() -> None:
    from typing import Generic, TypeVar

    T = TypeVar("T")

    @attrs.frozen
    class Box(Generic[T]):
        id: int
        content: T

    assert id_field_of(Box[str]) == id_field_of(Box) == IdField("id", int)


async def test_a_memory_repository_serves_references(autojump_clock: MockClock) -> None:
    repository = MemoryRepository(Ticket, [ONE])
    assert await ask(Get("/:ticket").types(Ticket).handle(subject), "/1", repository=repository) == [(200, "one")]
