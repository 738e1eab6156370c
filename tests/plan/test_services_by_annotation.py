"""Services that a step, a guard or a handler takes by the annotation of a parameter, and what is said where it cannot."""

# ruff: noqa: E501, ISC004 - whole messages, laid out to be read

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NewType, Protocol

import attrs
import pytest

from trio_sse import App, Get, Post, Request, any_of
from trio_sse.errors import BuildError
from trio_sse.models import MemoryRepository, Repository
from trio_sse.testing import TestClient

if TYPE_CHECKING:
    from elsewhere import Unimported  # type: ignore[import-not-found]


class Sessions:
    name = "sessions"


class SqlSessions(Sessions):
    name = "sql"


class Store(Protocol):
    def read(self) -> str: ...


class FileStore(Store):
    def read(self) -> str:
        return "file"


class Base(abc.ABC):
    @abc.abstractmethod
    def run(self) -> None: ...


@attrs.frozen
class User:
    name: str


@attrs.frozen
class Ticket:
    id: int


class Uses:
    def __init__(self, sessions: Sessions) -> None: ...


Replica = NewType("Replica", Sessions)
Main = Annotated[Sessions, "main"]


async def answer(app: App, target: str = "/", method: str = "GET", **options: Any) -> Any:
    async with TestClient(app) as client:
        reply = await client.request(method, target, **options)
        return reply.json()


def by_name(sessions: Sessions) -> str:
    return sessions.name


# -- what is taken


async def test_an_annotation_is_enough_in_steps_guards_and_handlers() -> None:
    seen = []

    def step(all_sessions: Sessions) -> str:
        seen.append(all_sessions)
        return "ada"

    def guard(user: str, s: Sessions) -> bool:
        seen.append(s)
        return user == "ada"

    async def never(s: Sessions) -> bool:
        return False

    route = Get("/").use(user=step).guard(guard, any_of(never, guard)).handle(by_name)
    assert await answer(App().provide(Sessions).add(route)) == "sessions"
    assert len(seen) == 3
    assert len({*seen}) == 1


async def test_the_app_makes_it_before_it_says_that_it_has_started() -> None:
    made: list[object] = []

    def make() -> Sessions:
        made.append(1)
        return Sessions()

    async with App().provide(make).add(Get("/").handle(by_name)).lifespan():
        assert made == [1]


async def test_one_of_the_request_is_made_for_each_that_takes_it() -> None:
    made: list[str] = []

    def make(request: Request) -> Sessions:
        made.append(request.path)
        return Sessions()

    app = App().provide(make, scope="request").add(Get("/").handle(by_name), Get("/no").handle(lambda: 1))
    assert (await answer(app), await answer(app, "/no"), made) == ("sessions", 1, ["/"])


async def test_what_only_an_annotation_takes_is_not_lost_with_an_override() -> None:
    def handler(sessions: Sessions, uses: Uses) -> str:
        return f"{sessions.name}, {uses}"

    app = App().provide(Sessions).provide(Uses).add(Get("/").handle(handler)).override(Uses, "fake")
    assert await answer(app) == "sessions, fake"


@pytest.mark.parametrize(
    ("token", "factory"),
    [(Replica, SqlSessions), (Main, SqlSessions), (Repository[Ticket], MemoryRepository), (Store, FileStore)],
)
async def test_any_token_can_be_the_annotation(token: Any, factory: Callable[..., Any]) -> None:
    def handler(service: Any) -> str:
        return type(service).__name__

    handler.__annotations__["service"] = token
    value = MemoryRepository(Ticket) if factory is MemoryRepository else factory()
    assert await answer(App().provide(token, value=value).add(Get("/").handle(handler))) == factory.__name__


async def test_an_optional_service_is_taken_where_it_is_provided() -> None:
    def handler(sessions: Sessions | None = None, unhashable: Annotated[int, []] = 3) -> list[Any]:
        return [sessions and sessions.name, unhashable]

    assert await answer(App().provide(Sessions).add(Get("/").handle(handler))) == ["sessions", 3]
    assert await answer(App().add(Get("/").handle(handler))) == [None, 3]


# -- names go first


async def test_what_a_step_gives_goes_first() -> None:
    route = Get("/").use(sessions=SqlSessions).handle(by_name)
    assert await answer(App().provide(Sessions).add(route)) == "sql"


async def test_what_is_injected_goes_first() -> None:
    route = Get("/").inject(sessions=SqlSessions).handle(by_name)
    assert await answer(App().provide(Sessions).provide(SqlSessions).add(route)) == "sql"


async def test_a_path_parameter_goes_first() -> None:
    def handler(number: int) -> int:
        return number

    assert await answer(App().provide(int, value=5).add(Get("/:number").handle(handler)), "/7") == 7


# -- what is said


def early(user: User) -> None: ...
def find() -> User:
    return User("ada")


def body_of_get(body: Sessions) -> None: ...
def query_of(query: Sessions) -> None: ...
def by_base(store: Sessions) -> None: ...
def by_protocol(files: Store) -> None: ...
def by_abstract(it: Base) -> None: ...
def by_alias(tickets: Repository[Ticket]) -> None: ...
def by_text(it: Unimported) -> None: ...
def bare(sessions) -> None: ...  # type: ignore[no-untyped-def]
def bare_other(cache) -> None: ...  # type: ignore[no-untyped-def]
def wrong_name(person: User) -> None: ...
def plain_type(size: int) -> None: ...


def local_class() -> App:
    class Local:
        pass

    def handler(it: Local) -> None: ...

    return App().provide(Local).add(Get("/").handle(handler))


MISTAKES: list[tuple[App, str]] = [
    (
        App().add(Get("/").handle(by_name)),
        "GET /: handler by_name() asks for 'sessions', which nothing provides. Sessions is not provided; add "
        "app.provide(Sessions). ",
    ),
    (
        App().add(Get("/").use(by_protocol).handle(find)),
        "GET /: middleware by_protocol() asks for 'files', which nothing provides. Store is not provided; add "
        "app.provide(Store, …). ",
    ),
    (App().add(Get("/").guard(by_abstract).handle(find)), "Base is not provided; add app.provide(Base, …). "),
    (
        App().add(Get("/").handle(by_alias)),
        "Repository[Ticket] is not provided; add app.provide(Repository[Ticket], …). ",
    ),
    (
        App().provide(SqlSessions).add(Get("/").handle(by_base)),
        "GET /: handler by_base() asks for 'store', which nothing provides. SqlSessions is provided: annotate the "
        "parameter with it, or add .inject(store=SqlSessions). ",
    ),
    (
        App().provide(Replica, value=Sessions()).add(Get("/").handle(by_base)),
        "Replica is provided: annotate the parameter with it, or add .inject(store=Replica). ",
    ),
    (
        App().provide(Main, value=Sessions()).add(Get("/").handle(by_base)),
        "Annotated[Sessions, 'main'] is provided: annotate the parameter with it, or add .inject(store=Annotated[Sessions, 'main']). ",
    ),
    (
        App().provide(Sessions).add(Get("/").handle(bare)),
        "GET /: handler bare() asks for 'sessions', which nothing provides. Sessions is provided: annotate the "
        "parameter with it, or add .inject(sessions=Sessions). Available here: aborted, ",
    ),
    (App().provide(Sessions).add(Get("/").handle(bare_other)), "'cache', which nothing provides. Available here: "),
    (App().provide(Sessions).add(Get("/").handle(lambda s: s)), "'s', which nothing provides. Available here: "),
    (
        App().provide(Sessions).add(Get("/").handle(lambda session: session)),
        "Sessions is provided: annotate the parameter with it, or add .inject(session=Sessions). ",
    ),
    (App().provide(Sessions).add(Get("/").handle(plain_type)), "'size', which nothing provides. Available here: "),
    (App().provide(Sessions).add(Get("/").handle(by_text)), "'it', which nothing provides. Available here: "),
    (
        local_class(),
        "local_class.Local is provided: define or import Local at module level and not under 'if TYPE_CHECKING', to be "
        "found at run time, or add .inject(it=local_class.Local). ",
    ),
    (
        App().add(Get("/").use(user=find).handle(wrong_name)),
        "GET /: handler wrong_name() asks for 'person', which nothing provides. 'user' is the User here. ",
    ),
    (
        App().provide(User, value=User("")).add(Get("/").guard(early).use(user=find).handle(by_name)),
        "GET /: guard early() asks for 'user' before .use(user=find) provides it; move that step up",
    ),
    (
        App().provide(Sessions).add(Get("/").handle(body_of_get)),
        "GET /: handler body_of_get() asks for 'body', which a GET request does not have; use 'query', or answer POST",
    ),
    (App().provide(Sessions).add(Post("/").handle(query_of)), "wants 'query' as Sessions, but it is QueryParams"),
]


@pytest.mark.parametrize(("app", "message"), MISTAKES, ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_a_message_says_what_is_missing(app: App, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        app.check()
    assert message in str(caught.value)
