"""Validation errors: what a client is told about a value that a model refuses, and which exceptions count."""

from __future__ import annotations

import dataclasses
import enum
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pytest
from attrs import validators
from trio.testing import MockClock

from trio_sse import App, Get, Post, QueryParams
from trio_sse._http.body_reader import BodyReader
from trio_sse._http.query_reader import QueryReader
from trio_sse.errors import Conflict, UnprocessableContent
from trio_sse.testing import TestClient


class Colour(enum.Enum):
    RED = "red"


def says(error: BaseException) -> Callable[..., None]:
    def validator(_instance: object, _attribute: object, _value: object) -> None:
        raise type(error)(*error.args)

    return validator


def own(_instance: object, _attribute: object, value: Any) -> None:
    int(value)


class OwnError(ValueError):
    """An application's own."""


ANY = "Invalid value - at `$.items[0].it`"

TABLE: list[tuple[Any, Any, Any, str]] = [
    # attrs' validators
    (str, validators.in_(["s3cret", "t0ken"]), "x", "Expected one of the allowed values - at `$.items[0].it`"),
    (str, validators.optional(validators.in_(["a"])), "x", "Expected one of the allowed values - at `$.items[0].it`"),
    (Any, validators.instance_of(int), "x", "Expected a value of another type - at `$.items[0].it`"),
    (Any, validators.instance_of((int, Colour)), "x", "Expected a value of another type - at `$.items[0].it`"),
    (str, validators.matches_re("[a-z]+"), "9", "Expected text matching regex '[a-z]+' - at `$.items[0].it`"),
    (str, validators.matches_re(re.compile("a")), "9", "Expected text matching regex 'a' - at `$.items[0].it`"),
    (str, validators.max_len(2), "abc", "Expected length <= 2 - at `$.items[0].it`"),
    (str, validators.min_len(2), "a", "Expected length >= 2 - at `$.items[0].it`"),
    (int, validators.ge(2), 1, "Expected a value >= 2 - at `$.items[0].it`"),
    (int, validators.gt(2), 1, "Expected a value > 2 - at `$.items[0].it`"),
    (float, validators.le(2.5), 3, "Expected a value <= 2.5 - at `$.items[0].it`"),
    (str, validators.lt("a: b"), "b: c", "Expected a value < a - at `$.items[0].it`"),
    (int, validators.and_(validators.ge(2), validators.lt(9)), 9, "Expected a value < 9 - at `$.items[0].it`"),
    (int, [validators.ge(2), validators.lt(9)], 9, "Expected a value < 9 - at `$.items[0].it`"),
    (int, validators.or_(validators.ge(5), validators.in_([1])), 2, ANY),
    (int, validators.not_(validators.in_([1])), 1, ANY),
    (Any, validators.is_callable(), 1, "Expected a value of another type - at `$.items[0].it`"),
    (
        list[str],
        validators.deep_iterable(validators.max_len(1), validators.max_len(2)),
        ["ab"],
        "Expected length <= 1 - at `$.items[0].it`",
    ),
    (
        list[str],
        validators.deep_iterable(validators.in_(["a"])),
        ["b"],
        "Expected one of the allowed values - at `$.items[0].it`",
    ),
    (
        dict[str, int],
        validators.deep_mapping(validators.matches_re("a"), validators.ge(1)),
        {"a": 0},
        "Expected a value >= 1 - at `$.items[0].it`",
    ),
    # validators of one's own
    (int, says(ValueError("there are no sixes")), 6, "there are no sixes - at `$.items[0].it`"),
    (int, says(OwnError("there are no sixes")), 6, "there are no sixes - at `$.items[0].it`"),
    (int, says(ValueError()), 6, ANY),
    (int, says(ValueError("a", object())), 6, ANY),
    (int, says(TypeError("unsupported operand type(s) for +: 'Secret' and 'int'")), 6, ANY),
    (str, own, "six", "invalid literal for int() with base 10: 'six' - at `$.items[0].it`"),
    # types
    (int, None, "x", "Expected `int`, got `str` - at `$.items[0].it`"),
    (Colour, None, "blue", "Invalid enum value 'blue' - at `$.items[0].it`"),
    (Literal["a"], None, "b", "Invalid enum value 'b' - at `$.items[0].it`"),
    (Annotated[int, msgspec.Meta(ge=2)], None, 1, "Expected `int` >= 2 - at `$.items[0].it`"),
]


@pytest.mark.parametrize(("kind", "validator", "value", "message"), TABLE)
def test_a_validator_s_refusal_is_told_in_plain_words(kind: Any, validator: Any, value: Any, message: str) -> None:
    item: Any = attrs.make_class("Item", {"it": attrs.field(type=kind, validator=validator)})
    model = attrs.make_class("Order", {"items": attrs.field(type=list[item])})
    with pytest.raises(UnprocessableContent) as caught:
        BodyReader.of(model).read(msgspec.json.encode({"items": [{"it": value}]}))
    assert caught.value.detail == f"The body does not fit: {message}"
    assert isinstance(caught.value.__cause__, ValueError)  # for the server's logs


def test_a_query_says_the_same() -> None:
    model = attrs.make_class("Query", {"it": attrs.field(type=int, validator=validators.ge(2))})
    with pytest.raises(UnprocessableContent) as caught:
        QueryReader.of(model).read(QueryParams([("it", "1")]))
    assert caught.value.detail == "The query does not fit: Expected a value >= 2 - at `$.it`"


def test_a_private_field_is_not_named() -> None:
    model = attrs.make_class("Model", {"_it": attrs.field(type=int, default=1, validator=validators.ge(2))})
    with pytest.raises(UnprocessableContent) as caught:
        BodyReader.of(model).read(b"{}")
    assert caught.value.detail == "The body does not fit: Expected a value >= 2"


def test_a_message_is_short_whatever_a_client_sends() -> None:
    model = attrs.make_class("Model", {"it": attrs.field(type=Colour)})
    with pytest.raises(UnprocessableContent) as caught:
        BodyReader.of(model).read(b'{"it":"%s"}' % (b"x" * 100_000))
    assert len(caught.value.detail) < 300
    assert caught.value.detail.endswith("x… - at `$.it`")


@pytest.mark.parametrize(
    "value",
    [
        "x" * 3_000_000,
        " - at `" * 400_000,
        "'a' must be >= " * 200_000,
        "Length of '" * 200_000,
        " - at `" + "y" * 9999,
    ],
)
def test_a_message_takes_no_longer_for_long_values(value: str) -> None:
    """No pattern that needs more than linear time is matched with a client's text."""
    model = attrs.make_class("Model", {"it": attrs.field(type=str, validator=validators.lt(""))})
    for kind, body in ((Colour, value), (model, {"it": value})):
        with pytest.raises(UnprocessableContent) as caught:
            BodyReader.of(kind).read(msgspec.json.encode(body))
        assert len(caught.value.detail) < 500


def test_a_converter_does_not_run_for_a_model() -> None:
    """msgspec sets the fields itself; attrs' converters are for the constructor."""
    model = attrs.make_class("Model", {"it": attrs.field(type=str, converter=str.upper)})
    assert BodyReader.of(model).read(b'{"it":"a"}').it == "a"


# -- which exceptions are the client's mistake

ERRORS = [
    ValueError("own words"),
    UnicodeEncodeError("ascii", "\ud800", 0, 1, "no"),
    TypeError("x"),
    AssertionError("x"),
    KeyError("x"),
    IndexError("x"),
    ZeroDivisionError("x"),
    OverflowError("x"),
]


def model_that_raises(style: str, error: BaseException) -> Any:
    def raises(_self: object) -> None:
        raise type(error)(*error.args)

    match style:
        case "validator":
            return attrs.make_class("Model", {"it": attrs.field(type=int, default=1, validator=says(error))})
        case "__attrs_post_init__":
            return attrs.make_class("Model", {"it": attrs.field(type=int, default=1)}, class_body={style: raises})
        case _:
            return dataclasses.make_dataclass("Model", [("it", int, 1)], namespace={style: raises})


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("style", ["validator", "__attrs_post_init__", "__post_init__"])
async def test_what_a_class_raises_for_a_value_is_a_422(
    style: str, error: Exception, autojump_clock: MockClock
) -> None:
    model = model_that_raises(style, error)
    app = App().add(
        Get("/").query(model).handle(lambda query: "read"), Post("/").body(model).handle(lambda body: "read")
    )
    place = " - at `$.it`" if style == "validator" else ""
    words = ("own words" if error is ERRORS[0] else "Invalid value") + place
    for reply in (await TestClient(app).get("/?it=1"), await TestClient(app).post("/", {"it": 1})):
        assert reply.status == 422
        assert reply.json()["detail"].endswith(f"does not fit: {words}")


@pytest.mark.parametrize("error", [RuntimeError("bug"), AttributeError("bug"), OSError("bug"), NameError("bug")])
async def test_any_other_exception_is_a_mistake_in_the_program(error: Exception, autojump_clock: MockClock) -> None:
    app = App().add(Get("/").query(model_that_raises("validator", error)).handle(lambda query: "read"))
    client = TestClient(app)
    with pytest.raises(type(error), match="bug"):
        await client.get("/?it=1")


@pytest.mark.parametrize("style", ["validator", "__attrs_post_init__", "__post_init__"])
async def test_a_class_may_choose_the_status_itself(style: str, autojump_clock: MockClock) -> None:
    model = model_that_raises(style, Conflict("It is taken."))

    def by_path(params: Any) -> str:
        return "read"

    by_path.__annotations__["params"] = model
    app = App().add(
        Get("/").query(model).handle(lambda query: "read"),
        Post("/").body(model).handle(lambda body: "read"),
        *([] if style == "__post_init__" else [Get("/:it").handle(by_path)]),
    )
    client = TestClient(app)
    replies = [await client.get("/?it=1"), await client.post("/", {"it": 1})]
    if style != "__post_init__":  # a class for params is an attrs class
        replies.append(await client.get("/1"))
    for reply in replies:
        assert (reply.status, reply.json()["detail"]) == (409, "It is taken.")


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("style", ["validator", "converter", "__attrs_post_init__"])
async def test_path_parameters_that_a_class_refuses_are_a_path_that_does_not_fit(
    style: str, error: Exception, autojump_clock: MockClock
) -> None:
    def raises(_value: object) -> Any:
        raise error

    if style == "converter":
        model: Any = attrs.make_class("Params", {"it": attrs.field(type=int, converter=raises)})
        model.__annotations__ = {"it": int}
    else:
        model = model_that_raises(style, error)

    def handler(params: Any) -> str:
        return "read"

    handler.__annotations__["params"] = model
    reply = await TestClient(App().add(Get("/:it").handle(handler))).get("/1")
    assert (reply.status, reply.json()["detail"]) == (404, "There is nothing at this path.")


class Missing(enum.Enum):
    RED = "red"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        raise KeyError(value) if value == "k" else RuntimeError(value)


@pytest.mark.parametrize("text", ["k", "r"])
async def test_an_enum_whose_look_up_fails_is_a_value_that_does_not_fit(text: str, autojump_clock: MockClock) -> None:
    def handler(colour: Missing) -> str:
        return colour.value

    app = App().add(
        Get("/:colour").handle(handler),
        Get("/").query(attrs.make_class("Query", {"it": attrs.field(type=Missing)})).handle(lambda query: "read"),
    )
    assert (await TestClient(app).get("/red")).status == 200
    assert (await TestClient(app).get(f"/{text}")).status == 404
    assert (await TestClient(app).get(f"/?it={text}")).status == 422
