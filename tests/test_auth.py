"""Authentication: what is a credential, who is let in, and what everybody else is told."""

from __future__ import annotations

import base64
import functools
import json
import logging
import math
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from trio_sse import SSE, App, Forbidden, Get, Headers, HTTPError, Request, Unauthorized, auth
from trio_sse.auth import api_key, basic, bearer, cookie, fixed_passwords, fixed_secrets, same_secret
from trio_sse.errors import BuildError, ServiceUnavailable, StepError
from trio_sse.testing import TestClient, TestResponse

if TYPE_CHECKING:
    from uuid import UUID

RawHeaders = list[tuple[bytes, bytes]]

SECRET = "correct-horse"
START = 1_000_000.0
MISSING = "The request has no credentials."
REFUSED = "The credentials are not valid."


@attrs.frozen
class User:
    name: str
    expires_at: datetime | float | None = None


@attrs.frozen
class Order:
    number: int


class Users:
    """A service that verifiers ask."""

    def __init__(self) -> None:
        self.known = {SECRET: User("ada")}


def echo(*credentials: str) -> list[str]:
    """A verifier that knows everybody, and says what it was given."""
    return list(credentials)


def one(token: str) -> list[str]:
    return echo(token)


def two(username: str, password: str) -> list[str]:
    return echo(username, password)


async def who(token: str) -> User | None:
    return User("ada") if same_secret(token, SECRET) else None


def show(user: Any) -> Any:
    return user


def guarded(step: Callable[..., Any]) -> App:
    return App(wall_clock=lambda: START + trio.current_time()).add(Get("/").use(user=step).handle(show))


async def ask(app: Any, *headers: tuple[bytes, bytes], target: str = "/") -> TestResponse:
    """GET with these very header lines, which may come twice and need not be text."""

    async def with_headers(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "headers": list(headers)}, receive, send)

    return await TestClient(with_headers).get(target)


def authorization(value: str | bytes) -> tuple[bytes, bytes]:
    return b"authorization", value if isinstance(value, bytes) else value.encode()


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


# -- finding credentials

GOOD: list[tuple[Callable[..., Any], RawHeaders, list[str]]] = [
    (bearer(one), [authorization("Bearer abc")], ["abc"]),
    (bearer(one), [authorization("bearer abc")], ["abc"]),
    (bearer(one), [authorization("BEARER  abc")], ["abc"]),
    (bearer(one), [authorization(" Bearer abc ")], ["abc"]),
    (bearer(one), [authorization("Bearer aA0-._~+/==")], ["aA0-._~+/=="]),
    (bearer(one), [(b"cookie", b"session=1"), authorization("Bearer abc")], ["abc"]),
    (basic(two), [authorization(f"Basic {encoded('ada:secret')}")], ["ada", "secret"]),
    (basic(two), [authorization(f"bAsIc   {encoded('ada:secret')}")], ["ada", "secret"]),
    (basic(two), [authorization(f"Basic {encoded('ada:with:colons:')}")], ["ada", "with:colons:"]),
    (basic(two), [authorization(f"Basic {encoded('ådå:pässwörd 🙂')}")], ["ådå", "pässwörd 🙂"]),
    (basic(two), [authorization(f"Basic {encoded(':secret')}")], ["", "secret"]),
    (basic(two), [authorization(f"Basic {encoded('ada:')}")], ["ada", ""]),
    (basic(two), [authorization(f"Basic {encoded(':')}")], ["", ""]),
    (api_key(one), [(b"x-api-key", b"abc")], ["abc"]),
    (api_key(one), [(b"x-api-key", b"a b, c;\"'")], ["a b, c;\"'"]),
    (api_key(one, header="X-Other"), [(b"x-other", b"abc"), (b"x-api-key", b"1")], ["abc"]),
    (api_key(one, header="authorization"), [authorization("abc")], ["abc"]),
    (cookie(one), [(b"cookie", b"session=abc")], ["abc"]),
    (cookie(one), [(b"cookie", b'a=1; session="abc"; session=def')], ["abc"]),
    (cookie(one), [(b"cookie", b"a=1"), (b"cookie", b"session=a%20b=")], ["a%20b="]),
    (cookie(one, name="__Host-id"), [(b"cookie", b"__Host-id=abc")], ["abc"]),
]


@pytest.mark.parametrize(("step", "headers", "found"), GOOD)
async def test_credentials_are_found(step: Callable[..., Any], headers: RawHeaders, found: list[str]) -> None:
    reply = await ask(guarded(step), *headers)
    assert (reply.status, reply.json()) == (200, found)
    assert "www-authenticate" not in reply.headers


NONE_SENT: list[tuple[Callable[..., Any], RawHeaders]] = [
    *((step(one), []) for step in (bearer, api_key, cookie)),
    (basic(two), []),
    (bearer(one), [authorization("")]),
    (bearer(one), [authorization(f"Basic {encoded('ada:secret')}")]),
    (bearer(one), [authorization("Bearerabc")]),
    (bearer(one), [authorization("Bearer\tabc")]),
    (bearer(one), [authorization("abc")]),
    (bearer(one), [authorization("\xa0Bearer abc".encode("latin-1"))]),
    (basic(two), [authorization("Bearer abc")]),
    (basic(two), [authorization(encoded("ada:secret"))]),
    (api_key(one), [(b"x-api-key", b"")]),
    (api_key(one), [(b"x-api-keys", b"abc")]),
    (cookie(one), [(b"cookie", b"")]),
    (cookie(one), [(b"cookie", b"session")]),
    (cookie(one), [(b"cookie", b"session=")]),
    (cookie(one), [(b"cookie", b'session=""')]),
    (cookie(one), [(b"cookie", b"Session=abc")]),
    (cookie(one), [(b"cookie", b"other=session=abc")]),
]


@pytest.mark.parametrize(("step", "headers"), NONE_SENT)
async def test_where_none_were_sent_the_401_has_no_error_code(step: Callable[..., Any], headers: RawHeaders) -> None:
    reply = await ask(guarded(step), *headers)
    assert (reply.status, reply.json()["detail"]) == (401, MISSING)
    assert "error=" not in reply.headers["www-authenticate"]


UNREADABLE: list[tuple[Callable[..., Any], RawHeaders]] = [
    (bearer(one), [authorization("Bearer")]),
    (bearer(one), [authorization("Bearer ")]),
    (bearer(one), [authorization("Bearer a b")]),
    (bearer(one), [authorization("Bearer a,b")]),
    (bearer(one), [authorization("Bearer a, Bearer b")]),
    (bearer(one), [authorization('Bearer "abc"')]),
    (bearer(one), [authorization("Bearer a=b")]),
    (bearer(one), [authorization("Bearer =")]),
    (bearer(one), [authorization("Bearer a\x00")]),
    (bearer(one), [authorization("Bearer a\n")]),
    (bearer(one), [authorization("Bearer å")]),
    (bearer(one), [authorization("Bearer å".encode("latin-1"))]),
    (bearer(one), [authorization("Bearer a"), authorization("Bearer a")]),
    (bearer(one), [authorization("Bearer a"), authorization("Basic b")]),
    (bearer(one), [authorization("Bearer a"), authorization("b")]),
    (bearer(one), [authorization(""), authorization("Bearer a")]),
    (basic(two), [authorization("Basic")]),
    (basic(two), [authorization("Basic !")]),
    (basic(two), [authorization(f"Basic {encoded('ada:secret')[:-1]}!")]),
    (basic(two), [authorization(f"Basic {encoded('ada:1')[:-1]}")]),
    (basic(two), [authorization(f"Basic {encoded('ada:1')} {encoded('ada:1')}")]),
    (basic(two), [authorization(f"Basic {encoded('ada:1')}{encoded('ada:1')}")]),
    (basic(two), [authorization("Basic å")]),
    (basic(two), [authorization(b"Basic \xe5")]),
    (basic(two), [authorization(f"Basic {encoded('no colon')}")]),
    (basic(two), [authorization(f"Basic {encoded('ada:a' + chr(0))}")]),
    (basic(two), [authorization(f"Basic {encoded('a' + chr(127) + ':a')}")]),
    (basic(two), [authorization(f"Basic {encoded('ada:line' + chr(10))}")]),
    (basic(two), [authorization(f"Basic {encoded(b'ada:' + bytes([0xE5]))}")]),
    (basic(two), [authorization(f"Basic {encoded('ada:1')}"), authorization(f"Basic {encoded('ada:1')}")]),
    (api_key(one), [(b"x-api-key", b"a"), (b"x-api-key", b"a")]),
    (api_key(one), [(b"x-api-key", b"a"), (b"x-api-key", b"")]),
    (api_key(one), [(b"x-api-key", b"\xe5")]),
    (api_key(one), [(b"x-api-key", b"a\x00")]),
    (api_key(one), [(b"x-api-key", b"a\n")]),
    (cookie(one), [(b"cookie", b"session=\xe5")]),
    (cookie(one), [(b"cookie", b"session=a\x00b")]),
]


@pytest.mark.parametrize(("step", "headers"), UNREADABLE)
async def test_what_cannot_be_read_is_a_401_and_reaches_no_verifier(
    step: Callable[..., Any], headers: RawHeaders
) -> None:
    reply = await ask(guarded(step), *headers)
    assert (reply.status, reply.json()["detail"]) == (401, REFUSED)
    assert reply.headers["www-authenticate"].startswith(("Bearer ", "Basic ", "ApiKey ", "Cookie "))


BYTES = st.one_of(
    st.binary(max_size=40),
    st.binary(max_size=30).map(lambda value: b"Bearer " + value),
    st.binary(max_size=30).map(lambda value: b"Basic " + value),
    st.binary(max_size=30).map(lambda value: b"Basic " + base64.b64encode(value)),
    st.binary(max_size=30).map(lambda value: b"session=" + value),
    st.text(max_size=20).map(str.encode),
)
NAMES = st.sampled_from([b"authorization", b"cookie", b"x-api-key"])


@settings(max_examples=400, deadline=None)
@given(
    step=st.sampled_from([bearer(one), basic(two), api_key(one), cookie(one)]),
    headers=st.lists(st.tuples(NAMES, BYTES), max_size=4),
)
def test_no_header_whatsoever_gives_anything_but_200_or_401(step: Callable[..., Any], headers: RawHeaders) -> None:
    reply = trio.run(functools.partial(ask, guarded(step), *headers))
    assert reply.status in (200, 401)
    assert ("www-authenticate" in reply.headers) is (reply.status == 401)
    if reply.status == 200:
        assert all(each.isascii() or step.__name__ == "basic(two)" for each in reply.json())


PASSWORD = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20)


@settings(max_examples=100, deadline=None)
@given(user=PASSWORD.filter(lambda text: ":" not in text), password=PASSWORD)
def test_basic_gives_a_verifier_what_the_user_typed(user: str, password: str) -> None:
    reply = trio.run(ask, guarded(basic(two)), authorization(f"Basic {encoded(f'{user}:{password}')}"))
    assert reply.json() == [user, password]


# -- the challenge


def refuse(*_: str) -> User | None:
    return None


def refuse_one(token: str) -> User | None:
    return refuse(token)


def refuse_two(username: str, password: str) -> User | None:
    return refuse(username, password)


CHALLENGES: list[tuple[Callable[..., Any], tuple[bytes, bytes], str, str]] = [
    (bearer(refuse_one), authorization("Bearer a"), 'Bearer realm="app"', 'Bearer realm="app", error="invalid_token"'),
    (
        basic(refuse_two, realm="the house"),
        authorization(f"Basic {encoded('a:b')}"),
        'Basic realm="the house", charset="UTF-8"',
        'Basic realm="the house", charset="UTF-8"',
    ),
    (
        api_key(refuse_one, header="X-Key", realm='say "hi" \\'),
        (b"x-key", b"a"),
        'ApiKey realm="say \\"hi\\" \\\\", header="x-key"',
        'ApiKey realm="say \\"hi\\" \\\\", header="x-key"',
    ),
    (
        cookie(refuse_one, name="Id"),
        (b"cookie", b"Id=a"),
        'Cookie realm="app", cookie-name="Id"',
        'Cookie realm="app", cookie-name="Id"',
    ),
]


@pytest.mark.parametrize(("step", "header", "challenge", "refusal"), CHALLENGES)
async def test_a_401_says_how_to_authenticate(
    step: Callable[..., Any], header: tuple[bytes, bytes], challenge: str, refusal: str
) -> None:
    missing, refused = await ask(guarded(step)), await ask(guarded(step), header)
    assert (missing.status, missing.headers["www-authenticate"], missing.json()["detail"]) == (401, challenge, MISSING)
    assert (refused.status, refused.headers["www-authenticate"], refused.json()["detail"]) == (401, refusal, REFUSED)


@pytest.mark.parametrize("step", [bearer, basic, api_key, cookie])
@pytest.mark.parametrize("realm", ["", "a\nb", "a\x00", "å", None, b"app"])
def test_a_realm_that_cannot_be_sent_is_found_at_once(step: Callable[..., Any], realm: Any) -> None:
    with pytest.raises(BuildError, match=r"^realm=.* cannot be sent: it has to be printable ASCII$"):
        step(two, realm=realm)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a=b", "a;b", "å", "a\n", "a\r\nb", None])
def test_a_name_that_cannot_be_sent_is_found_at_once(name: Any) -> None:
    with pytest.raises(BuildError, match=r"^header=.* has to be the name of a header$"):
        api_key(one, header=name)
    with pytest.raises(BuildError, match=r"^name=.* has to be the name of a cookie$"):
        cookie(one, name=name)


# -- verifiers of every kind


class Keys:
    """An object that verifies."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def __call__(self, key: str) -> User | None:
        return User("ada") if key in self.keys else None

    async def verify(self, key: str) -> User | None:
        return self(key)

    def __repr__(self) -> str:
        return f"Keys{self.keys}"


def with_keys(keys: Mapping[str, User], key: str) -> User | None:
    return keys.get(key)


async def with_named(key: str, *, keys: Mapping[str, User]) -> User | None:
    return keys.get(key)


def positional(key: str, /) -> User | None:
    return with_keys({SECRET: User("ada")}, key)


async def always(_key: str) -> User:
    return User("ada")


def unawaited(key: str) -> Any:
    """A mistake: it is not async, and does not await either."""
    return always(key)


VERIFIERS: list[Callable[..., Any]] = [
    who,
    lambda key: User("ada") if key == SECRET else None,
    Keys(SECRET),
    Keys(SECRET).verify,
    functools.partial(with_keys, {SECRET: User("ada")}),
    functools.partial(with_named, keys={SECRET: User("ada")}),
    positional,
    {SECRET: User("ada")}.get,
    fixed_secrets({SECRET: User("ada")}),
]


@pytest.mark.parametrize("verify", VERIFIERS)
async def test_a_verifier_is_any_function_of_the_credential(verify: Callable[..., Any]) -> None:
    app = guarded(bearer(verify))
    app.check()
    assert (await ask(app, authorization(f"Bearer {SECRET}"))).json() == {"name": "ada", "expires_at": None}
    assert (await ask(app, authorization("Bearer other"))).status == 401


async def test_what_is_false_but_not_none_is_a_principal() -> None:
    app = guarded(bearer(lambda _token: 0))
    assert (await ask(app, authorization("Bearer a"))).body == b"0"


async def test_a_class_can_be_the_verifier() -> None:
    assert (await ask(guarded(bearer(User)), authorization("Bearer ada"))).json()["name"] == "ada"


async def generator(_token: str) -> AsyncIterator[User]:
    yield User("ada")


@asynccontextmanager
async def manager(_token: str) -> AsyncIterator[User]:
    yield User("ada")


def sync_generator(_token: str) -> Iterator[User]:
    yield User("ada")


def yes_or_no(_token: str) -> bool:
    raise NotImplementedError


async def perhaps(_token: str) -> bool | None:
    raise NotImplementedError


def star(*tokens: str) -> User:
    raise NotImplementedError(tokens)


def two_positional(token: str, other: str, /) -> User:
    raise NotImplementedError(token, other)


def nothing() -> User:
    raise NotImplementedError


def only_named(*, token: str) -> User:
    raise NotImplementedError(token)


YIELDS = "the verifier yields; it returns the principal, or None to refuse"
SAYS_BOOL = "the verifier is annotated to return bool; it returns the principal, or None to refuse"
NO_NAME = (
    "values are given by name, one for each named parameter; *args, **kwargs and positional-only parameters cannot be "
    "filled"
)
CALLED = "a verifier is called with what the client has sent, as in verify(token)"
SYNC_GENERATOR = (
    "sync_generator() is a synchronous generator or context manager; write it with 'async def' (and "
    "@asynccontextmanager)"
)

WRONG: list[tuple[Any, str]] = [
    (generator, f"bearer(generator): {YIELDS}"),
    (manager, f"bearer(manager): {YIELDS}"),
    (sync_generator, SYNC_GENERATOR),
    (yes_or_no, f"bearer(yes_or_no): {SAYS_BOOL}"),
    (perhaps, f"bearer(perhaps): {SAYS_BOOL}"),
    (star, f"star() has the parameter '*tokens': {NO_NAME}"),
    (two_positional, f"two_positional() has the parameter 'other': {NO_NAME}"),
    (nothing, f"bearer(nothing): {CALLED}"),
    (only_named, f"bearer(only_named): {CALLED}"),
    (SECRET, "bearer() takes a function that verifies, not a value of type str"),
    ({SECRET: "ada"}, "bearer() takes a function that verifies, not a value of type dict"),
]


@pytest.mark.parametrize(("verify", "message"), WRONG)
def test_what_is_no_verifier_is_found_at_once(verify: Any, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        bearer(verify)
    assert str(caught.value) == message


def test_basic_wants_a_verifier_of_two() -> None:
    with pytest.raises(BuildError, match=r"^basic\(one\): .* as in verify\(username, password\)$"):
        basic(one)


@pytest.mark.parametrize("answer", [True, False])
async def test_a_verifier_that_says_yes_or_no_lets_nobody_in(answer: bool) -> None:
    app = guarded(api_key(lambda _key: answer))
    with pytest.raises(StepError, match=rf"^api_key\(lambda .*\): the verifier returned {answer}; it returns the prin"):
        await ask(app, (b"x-api-key", b"a"))


async def test_a_sync_verifier_that_returns_a_coroutine_lets_nobody_in() -> None:
    with pytest.raises(StepError, match="returned a coroutine; write it with 'async def'"):
        await ask(guarded(bearer(unawaited)), authorization("Bearer a"))


# -- what a verifier can name


async def named(
    token: str,
    users: Users,
    headers: Headers,
    request: Request,
    cookies: Mapping[str, str],
    room: int,
    expire_at: Callable[[float], None],
    *,
    nobody: str = "nobody",
    last_event_id: str | None = "default",
) -> list[Any]:
    expire_at(START + 60)
    found = users.known.get(token)
    return [found, headers["host"], request.path, cookies["a"], room, nobody, last_event_id]


async def test_further_parameters_are_filled_by_name() -> None:
    users = Users()
    app = App(wall_clock=lambda: START).provide(Users, value=users)
    app = app.add(Get("/:room").inject(users=Users).use(user=bearer(named)).handle(show))
    headers = [authorization(f"Bearer {SECRET}"), (b"host", b"example.org"), (b"cookie", b"a=1")]
    async with TestClient(app) as client:

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": client.state}, receive, send)

        reply = await ask(with_state, *headers, target="/3")
    assert reply.json() == [{"name": "ada", "expires_at": None}, "example.org", "/3", "1", 3, "nobody", None]
    assert (await ask(app, target="/three")).status == 404


async def test_the_credential_may_be_called_as_something_that_can_be_named() -> None:
    def verify(headers: str, request: str) -> list[str]:
        return [headers, request]

    reply = await ask(guarded(basic(verify)), authorization(f"Basic {encoded('a:b')}"))
    assert reply.json() == ["a", "b"]


async def test_one_step_serves_many_requests_at_once(autojump_clock: MockClock) -> None:
    async def slow(token: str) -> User:
        await trio.sleep(1)
        return User(token)

    app, found = guarded(bearer(slow)), list[str]()

    async def visit(name: str) -> None:
        found.append((await ask(app, authorization(f"Bearer {name}"))).json()["name"])

    async with trio.open_nursery() as nursery:
        for name in ("ada", "grace"):
            nursery.start_soon(visit, name)
    assert sorted(found) == ["ada", "grace"]


def unknown_name(token: str, usres: dict[str, User]) -> User:
    raise NotImplementedError(token, usres)


def wrong_type(token: str, headers: int) -> User:
    raise NotImplementedError(token, headers)


def wrong_request(token: str, request: int) -> User:
    raise NotImplementedError(token, request)


def unreadable(token: str, room: UUID) -> User:
    raise NotImplementedError(token, room)


MISNAMED: list[tuple[Callable[..., Any], str]] = [
    (
        unknown_name,
        r"^GET /:room: middleware bearer\(unknown_name\)\(\) asks for 'usres', which nothing provides\. Did",
    ),
    (wrong_type, r"^GET /:room: middleware bearer\(wrong_type\)\(\) wants 'headers' as int, but it is Headers$"),
    (wrong_request, r"^GET /:room: middleware bearer\(wrong_request\)\(\) wants 'request' as int, but it is Request$"),
    (unreadable, r"^GET /:room: middleware bearer\(unreadable\)\(\) wants the path parameter 'room' as 'UUID', which "),
    (
        lambda token, usres: (token, usres),
        r"^GET /:room: middleware bearer\(lambda \(test_auth\.py:\d+\)\)\(\) asks for 'usres'",
    ),
]


@pytest.mark.parametrize(("verify", "message"), MISNAMED)
def test_a_name_that_does_not_fit_is_found_at_start_up(verify: Callable[..., Any], message: str) -> None:
    route = Get("/:room").inject(users=Users).use(user=bearer(verify)).handle(show)
    with pytest.raises(BuildError, match=message):
        App().provide(Users).add(route).check()


def wants_order(user: Order) -> None:
    raise NotImplementedError(user)


@pytest.mark.parametrize("verify", [who, always, Keys(), Keys().verify, functools.partial(with_keys, {})])
def test_the_principal_is_held_against_what_wants_it(verify: Callable[..., Any]) -> None:
    with pytest.raises(BuildError, match=r"wants 'user' as Order, but it is User$"):
        App().add(Get("/").use(user=bearer(verify)).handle(wants_order)).check()


async def test_without_a_name_each_field_of_the_principal_is_one() -> None:
    app = App().add(Get("/").use(bearer(who)).handle(lambda name, expires_at: [name, expires_at]))
    assert (await ask(app, authorization(f"Bearer {SECRET}"))).json() == ["ada", None]


def test_a_route_shows_its_steps_by_name() -> None:
    route = Get("/").use(user=bearer(who)).use(key=api_key(fixed_secrets({SECRET: 1}))).handle(show)
    assert ".use(user=bearer(who)).use(key=api_key(fixed_secrets))" in repr(route)


# -- what a verifier raises

SCHEMES: list[tuple[Callable[[Callable[..., Any]], Callable[..., Any]], tuple[bytes, bytes], str]] = [
    (bearer, authorization("Bearer a"), 'Bearer realm="app", error="invalid_token"'),
    (basic, authorization(f"Basic {encoded('a:b')}"), 'Basic realm="app", charset="UTF-8"'),
    (api_key, (b"x-api-key", b"a"), 'ApiKey realm="app", header="x-api-key"'),
    (cookie, (b"cookie", b"session=a"), 'Cookie realm="app", cookie-name="session"'),
]


@pytest.mark.parametrize(
    ("error", "status", "challenge"),
    [
        (Forbidden("Not you."), 403, None),
        (ServiceUnavailable("Later."), 503, None),
        (HTTPError("Odd.", status=419, headers={"www-authenticate": "Odd"}), 419, "Odd"),
        (Unauthorized("Gone."), 401, 'Bearer realm="app", error="invalid_token"'),
        (HTTPError("Gone.", status=401), 401, 'Bearer realm="app", error="invalid_token"'),
        (Unauthorized("More.", challenge='Bearer realm="x", scope="y"'), 401, 'Bearer realm="x", scope="y"'),
        (Unauthorized("Other.", headers={"WWW-Authenticate": "DPoP"}), 401, "DPoP"),
    ],
)
async def test_what_a_verifier_raises_is_the_answer(error: HTTPError, status: int, challenge: str | None) -> None:
    async def verify(_token: str) -> User:
        raise error

    reply = await ask(guarded(bearer(verify)), authorization("Bearer a"))
    assert (reply.status, reply.json().get("detail")) == (status, error.detail)
    assert reply.headers.get("www-authenticate") == challenge


async def test_any_other_error_is_raised_and_lets_nobody_in() -> None:
    def verify(_token: str) -> User:
        raise LookupError("the database is away")

    async with TestClient(guarded(bearer(verify))).stream("/", headers={"authorization": "Bearer a"}) as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), LookupError)
    assert stream.status == 500


class Unreadable(ValueError):
    """What a verifier of the user's raises."""


def by_uuid(text: str, _password: str = "") -> User | None:
    return User(str(uuid.UUID(text)))


async def by_number(text: str, _password: str = "") -> User | None:
    await trio.lowlevel.checkpoint()
    return User(str(int(text)))


def by_hex(text: str, _password: str = "") -> User | None:
    return User(bytes.fromhex(text).decode())


def by_json(text: str, _password: str = "") -> User | None:
    return User(json.loads(text)["name"])


def by_base64(text: str, _password: str = "") -> User | None:
    return User(base64.b64decode(text, validate=True).decode())


def by_own_rule(_text: str, _password: str = "") -> User | None:
    raise Unreadable(SECRET)


@pytest.mark.parametrize(("make", "header", "challenge"), SCHEMES)
@pytest.mark.parametrize("verify", [by_uuid, by_number, by_hex, by_json, by_base64, by_own_rule])
async def test_a_value_error_refuses_the_credentials_and_is_logged(
    make: Callable[..., Any],
    header: tuple[bytes, bytes],
    challenge: str,
    verify: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    reply = await ask(guarded(make(verify)), header)
    assert (reply.status, reply.json()["detail"]) == (401, "The credentials are not valid.")
    assert reply.headers["www-authenticate"] == challenge
    [record] = caplog.records
    assert (record.name, record.levelname, record.exc_info) == ("trio_sse", "WARNING", None)
    start, _, end = record.getMessage().partition(f"{__file__}:")
    assert re.fullmatch(rf"{make.__name__}\({verify.__name__}\): \w+ at ", start)
    assert re.fullmatch(rf"\d+, in {verify.__name__}; the credentials are refused", end)


async def test_a_value_error_of_a_builtin_function_is_logged_without_a_line(caplog: pytest.LogCaptureFixture) -> None:
    assert (await ask(guarded(bearer(bytes.fromhex)), authorization("Bearer x"))).status == 401
    assert caplog.messages == ["bearer(bytes.fromhex): ValueError at an unknown line; the credentials are refused"]


@pytest.mark.parametrize("error", [LookupError(), TypeError(), ExceptionGroup("", [ValueError()])], ids=repr)
async def test_any_other_error_of_a_verifier_is_a_500(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    def verify(_token: str) -> User:
        raise error

    async with TestClient(guarded(bearer(verify))).stream("/", headers={"authorization": "Bearer a"}) as stream:
        await stream.ended()
        assert stream.claim_error() is error
    assert stream.status == 500
    assert caplog.messages == []


async def test_a_principal_that_expires_at_no_moment_is_a_mistake_of_the_verifiers() -> None:
    """It is a ValueError too, but not one about the credentials."""
    step = bearer(lambda _token: User("ada", math.nan))
    async with TestClient(guarded(step)).stream("/", headers={"authorization": "Bearer a"}) as stream:
        await stream.ended()
        assert isinstance(stream.claim_error(), ValueError)
    assert stream.status == 500


STRANGE = (
    "a" * 8000,
    "é",
    "ÿþ",
    "\x00",
    "\x1b[31m",
    "a b",
    "a\tb",
    "=",
    "==a",
    ":",
    "'; DROP TABLE users; --",
    "../../etc/passwd",
    "%00",
    "{}",
    "null",
    "1e999",
    "\N{ARABIC-INDIC DIGIT ONE}",
)
"""Texts that clients have made up."""


@pytest.mark.parametrize("text", STRANGE)
@pytest.mark.parametrize("verify", [by_uuid, by_number, by_hex, by_base64])
async def test_no_text_of_a_clients_is_a_500(verify: Callable[..., Any], text: str) -> None:
    raw = text.encode()
    user_and_password = base64.b64encode(raw + b":" + raw)
    for make, name, value in (
        (bearer, b"authorization", b"Bearer " + raw),
        (basic, b"authorization", b"Basic " + raw),
        (basic, b"authorization", b"Basic " + user_and_password),
        (api_key, b"x-api-key", raw),
        (cookie, b"cookie", b"session=" + raw),
    ):
        step: Any = make(verify)
        # 200 is a verifier that accepts it, such as int() a digit of any script; 431 is too long for the app's limits.
        assert (await ask(guarded(step), (name, value))).status in (200, 401, 431)


async def test_a_guard_after_the_step_is_a_403() -> None:
    app = App().add(Get("/").use(user=bearer(who)).guard(lambda user: user.name == "grace").handle(show))
    assert (await ask(app)).status == 401
    reply = await ask(app, authorization(f"Bearer {SECRET}"))
    assert (reply.status, "www-authenticate" in reply.headers) == (403, False)


# -- expiry


@pytest.mark.parametrize(("make", "header", "challenge"), SCHEMES)
@pytest.mark.parametrize("when", [START, START - 1, 0, datetime.fromtimestamp(START, UTC)])
async def test_who_has_expired_already_is_told_so(
    make: Callable[..., Any], header: tuple[bytes, bytes], challenge: str, when: Any, autojump_clock: MockClock
) -> None:
    def verify(_first: str, _second: str = "") -> User:
        return User("ada", when)

    reply = await ask(guarded(make(verify)), header)
    assert (reply.status, reply.json()["detail"]) == (401, "The credentials have expired.")
    assert reply.headers["www-authenticate"] == challenge


async def test_who_expires_before_the_response_starts_is_asked_in_the_same_way(autojump_clock: MockClock) -> None:
    async def slow() -> None:
        await trio.sleep(100)

    app = App(wall_clock=lambda: START + trio.current_time())
    step = cookie(lambda value: User(value, START + 60))
    app = app.add(SSE("/").use(user=step).use(slow).handle(show))
    reply = await ask(app, (b"cookie", b"session=a"))
    assert reply.headers["www-authenticate"] == 'Cookie realm="app", cookie-name="session"'


@pytest.mark.parametrize("when", [START + 60, datetime.fromtimestamp(START + 60, UTC)])
async def test_a_stream_ends_when_its_principal_expires(when: Any, autojump_clock: MockClock) -> None:
    async def stream(user: User) -> AsyncIterator[Any]:
        yield {"data": user.name}
        await trio.sleep_forever()

    app = App(wall_clock=lambda: START + trio.current_time())
    app = app.add(SSE("/").use(user=bearer(lambda token: User(token, when))).heartbeat(None).handle(stream))
    headers = {"authorization": "Bearer ada"}
    with trio.fail_after(100):
        reply = await TestClient(app).get("/", headers=headers)
    assert trio.current_time() == pytest.approx(60)
    assert reply.body == b":\ndata: ada\n\nevent: stream-expired\ndata: null\n\n"
    again = await TestClient(app).get("/", headers=headers)
    assert again.headers["www-authenticate"] == 'Bearer realm="app", error="invalid_token"'


async def test_a_principal_that_never_expires_keeps_its_stream(autojump_clock: MockClock) -> None:
    async def stream() -> AsyncIterator[Any]:
        await trio.sleep(3600)
        yield {"data": "done"}

    app = App().add(SSE("/").use(user=bearer(User)).heartbeat(None).handle(stream))
    reply = await TestClient(app).get("/", headers={"authorization": "Bearer ada"})
    assert reply.body == b":\ndata: done\n\n"


async def test_a_plain_request_is_not_cut_off(autojump_clock: MockClock) -> None:
    async def slow(user: User) -> str:
        await trio.sleep(100)
        return user.name

    app = App(wall_clock=lambda: START).add(Get("/").use(user=bearer(lambda t: User(t, START + 1))).handle(slow))
    assert (await ask(app, authorization("Bearer ada"))).json() == "ada"


async def test_a_datetime_without_a_zone_is_an_error_and_lets_nobody_in() -> None:
    naive = datetime(2999, 1, 1)
    with pytest.raises(ValueError, match="has no time zone"):
        await ask(guarded(bearer(lambda token: User(token, naive))), authorization("Bearer ada"))


# -- secrets


@pytest.mark.parametrize(
    ("given", "known", "same"),
    [
        ("abc", "abc", True),
        ("", "", True),
        ("abc", "abd", False),
        ("abc", "ab", False),
        ("abc", "ABC", False),
        ("pässwörd", "pässwörd", True),
        ("\ud800", "\ud800", True),
        ("\ud800", "?", False),
        ("a\x00b", "a\x00c", False),
    ],
)
def test_same_secret_compares(given: str, known: str, same: bool) -> None:
    assert same_secret(given, known) is same


def test_same_secret_leaves_it_to_hmac(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def compare_digest(a: bytes, b: bytes) -> bool:
        asked.append((a, b))
        return True

    monkeypatch.setattr("hmac.compare_digest", compare_digest)
    assert same_secret("å", "b")
    assert asked == [("å".encode(), b"b")]


@pytest.mark.parametrize("given", ["first", "second", "third", "none of them"])
def test_every_secret_is_looked_at(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def noted(given: str, known: str) -> bool:
        compared.append(known)
        return given == known

    monkeypatch.setattr(auth, "same_secret", noted)
    secrets = {"first": 1, "second": 2, "third": 3}
    assert fixed_secrets(secrets)(given) == secrets.get(given)
    assert compared == ["first", "second", "third"]
    compared.clear()
    assert fixed_passwords(dict.fromkeys(secrets, "pass"))(given, "pass") == (given if given in secrets else None)
    assert compared == ["first:pass", "second:pass", "third:pass"]


@pytest.mark.parametrize(
    ("user", "password", "found"),
    [
        ("ada", "one", "ada"),
        ("grace", "two:colons", "grace"),
        ("ada", "two:colons", None),
        ("ada", "one ", None),
        ("", "ada:one", None),
        ("Ada", "one", None),
        ("grace", "one", None),
    ],
)
async def test_fixed_passwords_go_with_their_users(user: str, password: str, found: str | None) -> None:
    app = guarded(basic(fixed_passwords({"ada": "one", "grace": "two:colons"})))
    reply = await ask(app, authorization(f"Basic {encoded(f'{user}:{password}')}"))
    assert (reply.json() if reply.status == 200 else None) == found


@pytest.mark.parametrize("secrets", [{}, {"": 1}, {"a": 1, "": 2}, {None: 1}, {b"a": 1}])
def test_secrets_that_were_never_set_are_found_at_once(secrets: Any) -> None:
    with pytest.raises(BuildError, match="takes principals by secret, which is text and not empty"):
        fixed_secrets(secrets)


@pytest.mark.parametrize("passwords", [{}, {"": "a"}, {"ada": ""}, {"ada": None}, {"a:b": "c"}, {None: "a"}])
def test_passwords_that_were_never_set_are_found_at_once(passwords: Any) -> None:
    with pytest.raises(BuildError, match="takes passwords by user name; both are text and not empty"):
        fixed_passwords(passwords)


def test_secrets_are_copied() -> None:
    secrets = {"a": 1}
    verify = fixed_secrets(secrets)
    secrets["b"] = 2
    assert (verify("a"), verify("b")) == (1, None)


# -- nothing gives a secret away


async def raises(_key: str) -> User:
    raise LookupError("the database is away")


def answers_badly(_key: str) -> Any:
    return True


@pytest.mark.parametrize("verify", [raises, answers_badly, unawaited])
async def test_no_error_note_log_or_answer_shows_a_credential(
    verify: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = guarded(api_key(verify))
    async with TestClient(app).stream("/", headers={"x-api-key": SECRET}) as stream:
        await stream.ended()
        error = stream.claim_error()
    shown = [str(error), repr(error), *getattr(error, "__notes__", []), caplog.text, stream.raw.decode()]
    assert [text for text in shown if SECRET in text] == []


def test_no_repr_shows_a_secret() -> None:
    steps: list[Callable[..., Any]] = [
        api_key(Keys(SECRET)),
        api_key(fixed_secrets({SECRET: 1})),
        basic(fixed_passwords({"ada": SECRET})),
        api_key(functools.partial(with_keys, {SECRET: User("ada")})),
    ]
    for step in steps:
        shown = [repr(step), step.__qualname__, repr(Get("/").use(user=step).handle(show))]
        assert [text for text in shown if SECRET in text] == []


def test_a_wrong_secret_is_not_shown_by_the_error_about_it() -> None:
    with pytest.raises(BuildError) as of_secrets:
        fixed_secrets({SECRET: 1, "": 2})
    with pytest.raises(BuildError) as of_passwords:
        fixed_passwords({"ada": SECRET, "": "x"})
    with pytest.raises(BuildError) as of_a_verifier:
        bearer(SECRET)  # type: ignore[call-overload]
    errors = (of_secrets.value, of_passwords.value, of_a_verifier.value)
    assert [error for error in errors if SECRET in str(error)] == []
