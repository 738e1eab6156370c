"""What a function asks for, and whether what it says of types can be true.

The annotations here are text (`from __future__ import annotations`), as in most of today's code.
"""

from __future__ import annotations

import contextlib
import functools
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NewType, Optional, Protocol, TypedDict, TypeVar

import attrs
import pytest

from trio_sse import Headers
from trio_sse._ground.naming import describe, name_of, nearest, type_name
from trio_sse._ground.signatures import UNKNOWN, Parameter, field_annotations, fits, parameters_of, return_annotation
from trio_sse._runtime.built_in_names import BUILT_IN
from trio_sse.errors import BuildError

if TYPE_CHECKING:
    from uuid import UUID

T = TypeVar("T")


@attrs.frozen
class User:
    name: str


class Admin(User):
    pass


class Service:
    def __init__(self, url: str, size: int = 1) -> None: ...

    async def method(self, user: User) -> int:
        return 1

    @classmethod
    def of(cls, user: User) -> Service:
        raise NotImplementedError

    @staticmethod
    def check(user: User) -> bool:
        raise NotImplementedError


class Greets(Protocol):
    def __call__(self, name: str) -> str: ...


class Callable_:
    def __call__(self, user: User) -> bool:
        raise NotImplementedError


IT = Callable_()


class HasFunc:
    """An object with an attribute that a partial has too."""

    def __init__(self) -> None:
        self.func = lambda: None

    async def __call__(self, user: User) -> bool:
        raise NotImplementedError


def plain(user: User, size: int = 3, *, anything) -> str:  # type: ignore[no-untyped-def]
    raise NotImplementedError


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@contextlib.asynccontextmanager
async def session(user: User) -> AsyncIterator[Service]:
    raise NotImplementedError
    yield


USER = Parameter("user", User, required=True)


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (plain, [USER, Parameter("size", int, required=False), Parameter("anything", UNKNOWN, required=True)]),
        (functools.partial(plain, size=5), [USER, Parameter("anything", UNKNOWN, required=True)]),
        (functools.partial(plain, User("u")), [Parameter("size", int, False), Parameter("anything", UNKNOWN, True)]),
        (functools.partial(functools.partial(plain, size=5), anything=1), [USER]),
        (lambda user: user, [Parameter("user", UNKNOWN, required=True)]),
        (Service("").method, [USER]),
        (Service.of, [USER]),
        (Service.check, [USER]),
        (Service, [Parameter("url", str, required=True), Parameter("size", int, required=False)]),
        (User, [Parameter("name", str, required=True)]),
        (Callable_(), [USER]),
        (HasFunc(), [USER]),
        (logged(plain), [USER, Parameter("size", int, False), Parameter("anything", UNKNOWN, True)]),
        (logged(Service("").method), [USER]),
        (logged(Callable_()), [USER]),
        (functools.partial(logged(session)), [USER]),
        (session, [USER]),
        (functools.lru_cache(Service.check), [USER]),
        (lambda: None, []),
    ],
)
def test_parameters_are_read_through_every_kind_of_function(
    function: Callable[..., Any], parameters: list[Parameter]
) -> None:
    assert list(parameters_of(function)) == parameters


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (plain, str),
        (functools.partial(plain, size=5), str),
        (lambda: None, UNKNOWN),
        (Service, Service),
        (functools.partial(Service, "url"), Service),
        (Service("").method, int),
        (Callable_(), bool),
        (HasFunc(), bool),
        (logged(plain), str),
        (session, AsyncIterator[Service]),
        (functools.partial(session), AsyncIterator[Service]),
    ],
)
def test_what_is_returned_is_read_through_every_kind_of_function(function: Callable[..., Any], returns: Any) -> None:
    assert return_annotation(function) == returns


def test_an_annotation_for_type_checkers_only_stays_text_and_hides_no_other() -> None:
    def handler(room: UUID, user: User, rooms: list[UUID]) -> UUID:
        raise NotImplementedError

    assert [p.annotation for p in parameters_of(handler)] == ["UUID", User, "list[UUID]"]
    assert return_annotation(handler) == "UUID"


@pytest.mark.parametrize("text", ["not valid python", "1 / 0", "User.nothing", "User['x']", "1 + 'x'", "(", ""])
def test_an_annotation_that_is_no_type_stays_text(text: str) -> None:
    def handler(user: Any, other: int) -> None: ...

    handler.__annotations__["user"] = text
    assert [p.annotation for p in parameters_of(handler)] == [text, int]


@pytest.mark.parametrize("function", [dict, print, type])
def test_a_function_that_cannot_be_read_says_so(function: Callable[..., Any]) -> None:
    with pytest.raises(
        BuildError, match=rf"^{function.__name__}\(\) has (no signature to read; wrap it|the parameter)"
    ):
        parameters_of(function)


def test_the_public_fields_of_an_attrs_class_are_names() -> None:
    @attrs.define
    class Base:
        user: User
        _secret: str = ""

    @attrs.define
    class Auth(Base):
        scopes: list[str] = attrs.Factory(list[str])
        token: UUID | None = None

    Old = attrs.make_class("Old", {"old": attrs.field(default=1), "typed": attrs.field(type=User, default=None)})

    assert field_annotations(Auth) == {"user": User, "scopes": list[str], "token": "UUID | None"}
    assert field_annotations(Old) == {"old": UNKNOWN, "typed": User}


# -- wording


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (plain, "plain()"),
        (Service("").method, "Service.method()"),
        (Service, "Service()"),
        (functools.partial(functools.partial(plain, User("u")), size=2), "plain()"),
        (logged(plain), "plain()"),
        (session, "session()"),
        (print, "print()"),
        (IT, repr(IT)),
        (functools.partial(IT), repr(IT)),
    ],
)
def test_messages_name_a_function_as_its_source_does(function: Callable[..., Any], text: str) -> None:
    assert describe(function) == text


def test_messages_name_a_lambda_by_its_line() -> None:
    assert describe(lambda: 1).startswith("lambda (test_signatures.py:")


def test_messages_name_a_local_function_without_the_locals() -> None:
    def inner() -> None: ...

    assert describe(inner) == "test_messages_name_a_local_function_without_the_locals.inner()"


def test_a_repr_names_a_function_in_short() -> None:
    assert name_of(Service("").method) == "method"
    assert name_of(functools.partial(plain, User("u"))) == "plain"
    assert name_of(IT) == repr(IT)


def test_a_near_miss_is_suggested() -> None:
    assert nearest("usr", ["user", "room"]) == " Did you mean 'user'?"
    assert nearest("zebra", ["user", "room"]) == ""


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (None, "None"),
        (list[int], "list[int]"),
        (typing.List[int], "List[int]"),  # noqa: UP006
        (int | None, "int | None"),
        (Optional[int], "Optional[int]"),  # noqa: UP045 - as older code writes it
        (Literal["a"], "Literal['a']"),
        (Any, "Any"),
        ("UUID", "UUID"),
        (User, "User"),
    ],
)
def test_messages_name_a_type_as_its_source_does(annotation: Any, text: str) -> None:
    assert type_name(annotation) == text


# -- can an annotation be true?


class Named(Protocol):
    name: str


class Options(TypedDict):
    size: int


UserId = NewType("UserId", int)


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (User, User),
        (Admin, User),
        (User, Admin),
        (User, User | None),
        (User | None, User),
        (User | None, None),
        (Optional[User], "Admin | None"),  # noqa: UP045 - as older code writes it
        (User, object),
        (object, User),
        (User, Any),
        (Any, User),
        (UNKNOWN, User),
        (User, UNKNOWN),
        (User, Named),
        (User, "NotImported"),
        ("NotImported", User),
        (User, T),
        (User, Service | Any),
        (User, Annotated[User, "x"]),
        (Annotated[User | None, "x"], User),
        (list[int], Sequence[str]),
        (dict[str, int], Mapping[str, int]),
        (Mapping[str, int], dict[str, int]),
        (Headers, Mapping[str, str]),
        (int, float),
        (bool, int),
        (float, int),
        (int, complex),
        (int, UserId),
        (str, Literal["a"]),
        (Options, Options),
        (Options, dict[str, int]),
        (Options, Mapping[str, object]),
        (type[User], type[Admin]),
        (Callable[..., Any], Callable[[int], int]),
        (str, Awaitable[int] | str),
        (Greets, Callable[[str], str]),
        (Callable[[str], str], Greets),
        (Callable_, Greets),
        (User, Greets | None | Any),
    ],
)
def test_what_could_be_true_fits(offered: Any, wanted: Any) -> None:
    assert fits(offered, wanted)


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        (User, Service),
        (User | None, Service),
        (User, Service | int),
        (str, int),
        (bytes, str),
        (str, float),
        (int, list[int]),
        (list[int], dict[str, int]),
        (Options, list[int]),
        (Options, User),
        (User, Options),
        (None, User),
        (Headers, dict[str, str]),
        (Annotated[str, "x"], int),
        (Iterator[int], int),
        (Greets, str),
        (User, Greets),
        (User, Greets | None),
    ],
)
def test_what_cannot_be_true_does_not_fit(offered: Any, wanted: Any) -> None:
    assert not fits(offered, wanted)
    assert not fits(wanted, offered)


def test_every_built_in_name_is_explained() -> None:
    assert all(name.isidentifier() and meaning for name, meaning in BUILT_IN.items())
    assert list(BUILT_IN) == sorted(BUILT_IN)
