"""Models of pydantic as what is read: a wrong value is refused as an attrs class refuses it."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypedDict, TypeVar
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from attrs import validators
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from trio_sse import QueryParams
from trio_sse._http.body_reader import BodyReader
from trio_sse._http.form_reader import FormReader
from trio_sse._http.query_reader import QueryReader
from trio_sse.errors import BadRequest, HTTPException, UnprocessableContent
from trio_sse.forms import UploadedFile
from trio_sse.wire import encode_json

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@attrs.define
class AttrsLine:
    count: int


class Line(BaseModel):
    count: int


def pair(attrs_type: Any, pydantic_type: Any = None, validator: Any = None, field: Any = ...) -> tuple[Any, Any]:
    """An attrs class and a model that are the same: a list of items, each with one field."""
    item: Any = attrs.make_class("Item", {"it": attrs.field(type=attrs_type, validator=validator)})
    model = pydantic.create_model("Item", it=(attrs_type if pydantic_type is None else pydantic_type, field))
    return (
        attrs.make_class("Order", {"items": attrs.field(type=list[item])}),
        pydantic.create_model("Order", items=(list[model], ...)),  # type: ignore[valid-type]
    )


def refusal(read: Callable[[Any], Any], given: object) -> HTTPException:
    with pytest.raises(HTTPException) as caught:
        read(given)
    return caught.value


WRONG_TYPES: list[tuple[Any, Any]] = [
    (int, "x"),
    (int, 1.5),
    (int, None),
    (int, []),
    (int, {}),
    (float, "x"),
    (float, None),
    (bool, "x"),
    (bool, 2),
    (str, 1),
    (str, None),
    (str, ["a"]),
    (int | None, "x"),
    (int | str, []),
    (float | str | None, []),
    (list[int], 1),
    (list[int], {}),
    (list[int], ["1", "x"]),
    (list[int], [1, None]),
    (list[list[int]], [[1], ["x"]]),
    (list[int] | None, 1),
    (set[int], 1),
    (set[int], ["x"]),
    (frozenset[str], [1]),
    (tuple[int, ...], ["x"]),
    (tuple[int, str], 5),
    (tuple[int, str], [1]),
    (tuple[int, str], [1, 2]),
    (dict[str, int], 1),
    (dict[str, int], {"k": "x"}),
    (dict[str, list[int]], {"k": [1, "x"]}),
    (dict[int, int], {"k": 1}),
    (Colour, "blue"),
    (Colour, 1),
    (Colour | None, 1),
    (Number, 2),
    (Number, "x"),
    (Literal["a", "b"], "c"),
    (Literal["a", "b"], 1),
    (Literal[1, 2], None),
    (Literal[1, 2], 3),
    (UUID, "x"),
    (UUID, 1),
    (UUID | None, 1),
    (datetime, "x"),
    (datetime, []),
    (datetime | None, {}),
    (date, "x"),
    (date, []),
    (time, "x"),
    (timedelta, "x"),
    (timedelta, []),
    (Decimal, "x"),
    (Decimal, []),
    (Decimal, "NaN"),
    (Decimal, "Infinity"),
    (Annotated[int, "a comment"], "x"),
]


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, value in WRONG_TYPES if value != ["1", "x"]])
def test_a_value_of_a_wrong_type_gets_the_same_answer(kind: Any, value: object) -> None:
    attrs_class, model = pair(kind)
    body = msgspec.json.encode({"items": [{"it": value}]})
    wanted = refusal(BodyReader.of(attrs_class).read, body)
    found = refusal(BodyReader.of(model).read, body)
    assert wanted.status == 422
    assert found.problem() == wanted.problem()


LINES: list[Any] = [1, None, [], {}, {"count": "x"}, {"count": None}, {"count": [1]}]


@pytest.mark.parametrize("value", LINES)
@pytest.mark.parametrize("wrap", ["item", "list", "dict", "optional", "deep"])
def test_a_wrong_object_gets_the_same_answer(value: Any, wrap: str) -> None:
    kinds: Mapping[str, Callable[[Any], Any]] = {
        "item": lambda cls: cls,
        "list": lambda cls: list[cls],  # type: ignore[valid-type]
        "dict": lambda cls: dict[str, cls],  # type: ignore[valid-type]
        "optional": lambda cls: list[cls | None],  # type: ignore[valid-type]
        "deep": lambda cls: dict[str, list[cls] | None],  # type: ignore[valid-type]
    }
    values: Mapping[str, Any] = {
        "item": value,
        "list": [{"count": 1}, value],
        "dict": {"k": value},
        "optional": [value or 1],
        "deep": {"k": [value]},
    }
    attrs_class, model = pair(kinds[wrap](AttrsLine), kinds[wrap](Line))
    body = msgspec.json.encode({"items": [{"it": values[wrap]}]})
    assert (
        refusal(BodyReader.of(model).read, body).problem() == refusal(BodyReader.of(attrs_class).read, body).problem()
    )


@pytest.mark.parametrize("value", LINES)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda cls: cls,
        lambda cls: list[cls],  # type: ignore[valid-type]
        lambda cls: dict[str, cls],  # type: ignore[valid-type]
    ],
)
def test_models_that_the_annotation_of_a_body_names_are_read(wrap: Callable[[Any], Any], value: Any) -> None:
    given = {Line: value, list: [{"count": 1}, value], dict: {"k": value}}
    wanted, model = wrap(AttrsLine), wrap(Line)
    body = msgspec.json.encode(given[getattr(model, "__origin__", model)])
    assert refusal(BodyReader.of(model).read, body).problem() == refusal(BodyReader.of(wanted).read, body).problem()


@pytest.mark.parametrize("value", [each for each in LINES if each is not None])
def test_a_model_in_an_attrs_class_is_refused_with_its_place(value: Any) -> None:
    wanted = attrs.make_class("Order", {"lines": attrs.field(type=list[AttrsLine])})
    mixed = attrs.make_class("Order", {"lines": attrs.field(type=list[Line])})
    body = msgspec.json.encode({"lines": [{"count": 1}, value]})
    assert refusal(BodyReader.of(mixed).read, body).problem() == refusal(BodyReader.of(wanted).read, body).problem()


def says(error: Exception) -> Callable[..., Any]:
    def validator(_instance: object, _attribute: object, _value: object) -> Any:
        raise error

    return validator


def after(error: Exception) -> Any:
    def validator(_value: object) -> Any:
        raise error

    return pydantic.AfterValidator(validator)


CONSTRAINTS: list[tuple[Any, Any, Any, Any]] = [
    (int, validators.ge(2), Field(ge=2), 1),
    (int, validators.gt(2), Field(gt=2), 2),
    (float, validators.le(2.5), Field(le=2.5), 3),
    (int, validators.lt(2), Field(lt=2), 3),
    (str, validators.min_len(2), Field(min_length=2), "a"),
    (str, validators.max_len(2), Field(max_length=2), "abc"),
    (list[int], validators.min_len(2), Field(min_length=2), [1]),
    (list[int], validators.max_len(2), Field(max_length=2), [1, 2, 3]),
    (dict[str, int], validators.min_len(1), Field(min_length=1), {}),
    (str, validators.matches_re("[a-z]+"), Field(pattern="[a-z]+"), "9"),
    (int, says(ValueError("there are no sixes")), after(ValueError("there are no sixes")), 6),
    (int, says(ValueError("{no} 'format'")), after(ValueError("{no} 'format'")), 6),
    (int, says(ValueError()), after(ValueError()), 6),
    (int, says(ValueError("a", object())), after(ValueError("a", object())), 6),
]


@pytest.mark.parametrize(("kind", "validator", "constraint", "value"), CONSTRAINTS)
def test_a_constraint_is_told_as_that_of_attrs(kind: Any, validator: Any, constraint: Any, value: object) -> None:
    attrs_class, model = pair(kind, Annotated[kind, constraint], validator)
    body = msgspec.json.encode({"items": [{"it": value}]})
    wanted = refusal(BodyReader.of(attrs_class).read, body)
    assert refusal(BodyReader.of(model).read, body).problem() == wanted.problem()


def test_an_assertion_tells_its_place_and_not_itself() -> None:
    _, model = pair(int, Annotated[int, after(AssertionError("secret"))])
    found = refusal(BodyReader.of(model).read, b'{"items":[{"it":1}]}')
    assert found.detail == "The body does not fit: Invalid value - at `$.items[0].it`"


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), IndexError("x"), ZeroDivisionError("x")], ids=repr)
def test_what_else_a_validator_raises_for_a_value_is_a_422(error: Exception) -> None:
    _, model = pair(int, Annotated[int, after(error)])
    found = refusal(BodyReader.of(model).read, b'{"items":[{"it":1}]}')
    assert (found.status, found.detail) == (422, "The body does not fit: Invalid value")


def test_any_other_exception_of_a_validator_is_a_mistake_in_the_program() -> None:
    _, model = pair(int, Annotated[int, after(RuntimeError("bug"))])
    with pytest.raises(RuntimeError, match="bug"):
        BodyReader.of(model).read(b'{"items":[{"it":1}]}')


class Range(BaseModel):
    low: int
    high: int

    @pydantic.model_validator(mode="after")
    def in_order(self) -> Range:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


@attrs.define
class AttrsRange:
    low: int
    high: int

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def test_a_validator_of_the_whole_model_names_no_field() -> None:
    for body in (b'{"low":2,"high":1}', b'{"low":2}'):
        wanted = refusal(BodyReader.of(AttrsRange).read, body)
        assert refusal(BodyReader.of(Range).read, body).problem() == wanted.problem()


class Forbids(BaseModel):
    model_config = ConfigDict(extra="forbid")

    it: int = 0
    inner: Forbids | None = None


class AttrsForbids(msgspec.Struct, forbid_unknown_fields=True):
    it: int = 0
    inner: AttrsForbids | None = None


@pytest.mark.parametrize("body", [b'{"x":1}', b'{"inner":{"x":1}}'])
def test_an_unknown_field_is_named_where_the_model_forbids_it(body: bytes) -> None:
    wanted = refusal(BodyReader.of(AttrsForbids).read, body)
    assert refusal(BodyReader.of(Forbids).read, body).problem() == wanted.problem()


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class TaggedCat(msgspec.Struct, tag="cat", tag_field="kind"):
    lives: int


class TaggedDog(msgspec.Struct, tag="dog", tag_field="kind"):
    name: str


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"cat","lives":"x"}',
        b'{"kind":"dog"}',
        b'{"kind":"cow"}',
        b'{"lives":9}',
        b"[]",
    ],
)
def test_a_union_with_tags_gets_the_same_answer(body: bytes) -> None:
    assert BodyReader.of(Pet).read(b'{"kind":"cat","lives":9}') == Cat(kind="cat", lives=9)
    wanted = refusal(BodyReader.of(TaggedCat | TaggedDog).read, body)
    assert refusal(BodyReader.of(Pet).read, body).problem() == wanted.problem()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "Expected `int | object`, got `array` - at `$.it`"),
        ({"count": "x"}, "Expected `int`, got `str` - at `$.it.count`"),
        ({}, "Object missing required field `count` - at `$.it`"),
    ],
)
def test_of_a_union_the_type_that_fits_further_is_told(value: object, words: str) -> None:
    model = pydantic.create_model("Order", it=(Line | int, ...))
    found = refusal(BodyReader.of(model).read, msgspec.json.encode({"it": value}))
    assert found.detail == f"The body does not fit: {words}"


# -- what is told says nothing of the program


class Secret:
    """A class that no client should hear of."""


class Loose(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    it: Secret


def custom(_value: object) -> Any:
    raise PydanticCustomError("sold_out", "sold out since {day}", {"day": "Monday"})


@pytest.mark.parametrize(
    ("model", "value", "words"),
    [
        (Loose, 1, "Invalid value - at `$.it`"),
        (pydantic.create_model("M", it=(type[Secret], ...)), 1, "Invalid value - at `$.it`"),
        (pydantic.create_model("M", it=(pydantic.HttpUrl, ...)), "x", "Input should be a valid URL"),
        (pydantic.create_model("M", it=(Annotated[int, Field(multiple_of=5)], ...)), 1, "Expected a multiple of 5"),
        (
            pydantic.create_model("M", it=(Annotated[int, pydantic.AfterValidator(custom)], ...)),
            1,
            "sold out since Mon",
        ),
        (pydantic.create_model("M", it=(Annotated[Decimal, Field(max_digits=2)], ...)), "1.23", "Decimal input should"),
    ],
)
def test_words_of_pydantic_are_those_that_say_nothing_of_the_program(model: Any, value: object, words: str) -> None:
    detail = refusal(BodyReader.of(model).read, msgspec.json.encode({"it": value})).detail
    assert detail.startswith(f"The body does not fit: {words}")
    assert detail.endswith(" - at `$.it`")


def test_a_message_is_short_whatever_a_client_sends() -> None:
    for body in (msgspec.json.encode({"items": [{"it": "x" * 100_000}]}), msgspec.json.encode({"items": [{}] * 9999})):
        assert len(refusal(BodyReader.of(pair(Colour)[1]).read, body).detail) < 300


def test_a_body_with_very_many_mistakes_is_refused_without_listing_them() -> None:
    found = refusal(BodyReader.of(list[Line]).read, msgspec.json.encode([{}] * 1001))
    assert found.detail == "The body does not fit: Invalid value in 1001 places"


# -- JSON


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"NaN", b'{"count":NaN}', b'{"count":Infinity}', b'{"count":01}', b'{"x":"\\ud800"}'],
)
def test_what_is_no_json_gets_the_same_answer(body: bytes) -> None:
    found, wanted = (refusal(BodyReader.of(model).read, body) for model in (Line, AttrsLine))
    assert isinstance(found, BadRequest)
    assert found.problem() == wanted.problem()


def test_what_is_not_utf_8_gets_the_same_answer() -> None:
    attrs_class, model = pair(str)
    body = b'{"items":[{"it":"\xff"}]}'
    wanted = refusal(BodyReader.of(attrs_class).read, body)
    assert (wanted.status, refusal(BodyReader.of(model).read, body).problem()) == (400, wanted.problem())


def test_json_that_pydantic_does_not_read_is_a_400() -> None:
    deep = b'{"count":1,"x":' + b"[" * 300 + b"]" * 300 + b"}"
    assert refusal(BodyReader.of(Line).read, deep).detail == "The body is nested too deeply."


class Numbers(BaseModel):
    x: float = math.inf
    many: list[float] = []
    by_name: dict[str, float] = {}
    inner: Numbers | None = None
    several: set[float] = set()
    aliased: float | None = Field(default=None, alias="aliasedNumber")
    exact: Decimal = Decimal(1)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"x":"nan"}', "$.x"),
        (b'{"x":1e400}', "$.x"),
        (b'{"many":[1,"-Infinity"]}', "$.many[1]"),
        (b'{"by_name":{"k":"inf"}}', "$.by_name[...]"),
        (b'{"inner":{"x":"nan"}}', "$.inner.x"),
        (b'{"several":[1,"nan"]}', "$.several[...]"),
        (b'{"aliasedNumber":"nan"}', "$.aliasedNumber"),
        (b'{"exact":"nan"}', "$.exact"),
    ],
)
def test_a_number_of_a_client_is_finite(body: bytes, path: str) -> None:
    found = refusal(BodyReader.of(Numbers).read, body)
    assert found.detail == f"The body does not fit: Expected a finite number - at `{path}`"


def test_a_default_need_not_be_finite() -> None:
    assert BodyReader.of(Numbers).read(b'{"many":[1.5],"exact":"1.2345678901234567890123"}') == Numbers(
        many=[1.5], exact=Decimal("1.2345678901234567890123")
    )


# -- a model's own rules


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    count: int
    at: datetime | None = None


def test_a_model_is_as_strict_as_it_says() -> None:
    assert BodyReader.of(Line).read(b'{"count":"5"}') == Line(count=5)
    assert BodyReader.of(Strict).read(b'{"count":5,"at":"2024-02-03T00:00:00Z"}') == Strict(
        count=5, at=datetime(2024, 2, 3, tzinfo=UTC)
    )
    for body in (b'{"count":"5"}', b'{"count":true}', b'{"count":5.0}'):
        wanted = refusal(BodyReader.of(AttrsLine).read, body) if b"." not in body else None
        found = refusal(BodyReader.of(Strict).read, body)
        assert wanted is None or found.problem() == wanted.problem()


class Aliased(BaseModel):
    is_admin: bool = Field(default=False, alias="isAdmin")
    tag: str = Field(default="", validation_alias=pydantic.AliasChoices("tag", "label"), serialization_alias="tag")


def test_aliases_are_the_names_in_both_directions() -> None:
    value = BodyReader.of(Aliased).read(b'{"isAdmin":true,"is_admin":false,"label":"a"}')
    assert (value.is_admin, value.tag) == (True, "a")
    assert encode_json(value) == b'{"isAdmin":true,"tag":"a"}'
    found = refusal(BodyReader.of(Aliased).read, b'{"isAdmin":"x"}')
    assert found.detail == "The body does not fit: Expected `bool`, got `str` - at `$.isAdmin`"
    query = QueryReader.of(Aliased).read(QueryParams([("isAdmin", "true"), ("label", "b"), ("is_admin", "false")]))
    assert (query.is_admin, query.tag) == (True, "b")


class Pathed(BaseModel):
    first: int = Field(default=0, validation_alias=pydantic.AliasPath("list", 0))
    other: int = 1


def test_a_body_may_have_a_path_as_an_alias() -> None:
    assert BodyReader.of(Pathed).read(b'{"list":[5]}').first == 5
    assert refusal(BodyReader.of(Pathed).read, b'{"list":["x"]}').status == 422
    found = refusal(BodyReader.of(Pathed).read, b'{"other":"x"}')
    assert found.detail == "The body does not fit: Expected `int`, got `str` - at `$.other`"


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    is_admin: bool = Field(default=False, alias="isAdmin")


def test_a_model_that_is_filled_by_name_is() -> None:
    for name in ("is_admin", "isAdmin"):
        assert QueryReader.of(ByName).read(QueryParams([(name, "true")])).is_admin


class Private(BaseModel):
    x: int = 0
    _admin: bool = False
    _made: bool = pydantic.PrivateAttr(default=False)

    @pydantic.computed_field
    def double(self) -> int:
        return self.x * 2


class Open(Private):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize("model", [Private, Open])
def test_a_client_cannot_set_a_private_attribute(model: type[Private]) -> None:
    body = b'{"x":5,"_admin":true,"_made":true,"double":1,"__class__":"A","__dict__":{},"model_config":{}}'
    wrapped = attrs.make_class("Wrapped", {"inner": attrs.field(type=model), "_own": attrs.field(type=int, default=0)})
    query = QueryParams([("x", "5"), ("_admin", "true"), ("_made", "true"), ("double", "1")])
    values = [
        BodyReader.of(model).read(body),
        BodyReader.of(wrapped).read(b'{"_own":9,"inner":' + body + b"}").inner,
        QueryReader.of(model).read(query),
        FormReader.of(model).read(dict(query.items()) | {"x": ["5"]} | {"_admin": ["true"]}),
    ]
    for value in values:
        assert (value.x, value._admin, value._made, value.double) == (5, False, False, 10)
    assert BodyReader.of(wrapped).read(b'{"_own":9,"inner":{}}')._own == 0


class Page(BaseModel, Generic[T]):
    items: list[T]


class Lines(pydantic.RootModel[list[Line]]):
    pass


class Keys(TypedDict):
    line: Line


@dataclasses.dataclass
class Data:
    line: Line
    lines: dict[str, Line]


class Later(BaseModel):
    model_config = ConfigDict(defer_build=True)

    count: int


ONE = Line(count=1)


@pytest.mark.parametrize(
    ("model", "body", "wanted"),
    [
        (Line | None, b"null", None),
        (dict[str, list[Line]], b'{"a":[{"count":1}]}', {"a": [ONE]}),
        (Page[Line], b'{"items":[{"count":1}]}', Page[Line](items=[ONE])),
        (Lines, b'[{"count":1}]', Lines([ONE])),
        (Keys, b'{"line":{"count":1}}', {"line": ONE}),
        (Data, b'{"line":{"count":1},"lines":{"a":{"count":1}}}', Data(ONE, {"a": ONE})),
        (Later, b'{"count":1}', Later(count=1)),
    ],
)
def test_models_are_read_wherever_an_annotation_names_them(model: Any, body: bytes, wanted: object) -> None:
    assert BodyReader.of(model).read(body) == wanted


def test_the_path_in_a_root_is_that_of_its_value() -> None:
    assert refusal(BodyReader.of(Lines).read, b'[{"count":"x"}]').detail.endswith("got `str` - at `$[0].count`")


def test_the_rest_of_an_attrs_class_with_a_model_is_read_as_ever() -> None:
    model = attrs.make_class(
        "Order",
        {
            "price": attrs.field(type=Decimal),
            "lines": attrs.field(type=list[Line]),
            "_id": attrs.field(type=int, default=7),
        },
    )
    value = BodyReader.of(model).read(b'{"price":1.2345678901234567890123,"lines":[{"count":1}],"_id":9}')
    assert (value.price, value.lines, value._id) == (Decimal("1.2345678901234567890123"), [ONE], 7)


# -- texts: queries and forms

TEXTS: list[tuple[Any, list[str]]] = [
    (int, ["x"]),
    (int, ["1.5"]),
    (int, [""]),
    (int, ["1", "2"]),
    (int, []),
    (float, ["x"]),
    (float, ["nan"]),
    (float, ["-Infinity"]),
    (bool, ["x"]),
    (Decimal, ["inf"]),
    (int | None, ["x"]),
    (list[int], ["1", "x"]),
    (list[float], ["1", "nan"]),
    (set[float], ["1", "x"]),
    (Colour, ["blue"]),
    (Literal["a", "b"], ["c"]),
    (UUID, ["x"]),
    (datetime, ["x"]),
    (date, ["x"]),
]


@pytest.mark.parametrize(("kind", "texts"), TEXTS)
def test_a_query_or_a_form_that_does_not_fit_gets_the_same_answer(kind: Any, texts: Sequence[str]) -> None:
    attrs_class = attrs.make_class("Model", {"it": attrs.field(type=kind)})
    model = pydantic.create_model("Model", it=(kind, ...))
    query = QueryParams([("it", text) for text in texts])
    form = {"it": texts} if texts else {}
    assert (
        refusal(QueryReader.of(model).read, query).problem()
        == refusal(QueryReader.of(attrs_class).read, query).problem()
    )
    assert (
        refusal(FormReader.of(model).read, form).problem() == refusal(FormReader.of(attrs_class).read, form).problem()
    )


class Search(BaseModel):
    model_config = ConfigDict(strict=True)

    text: str = ""
    limit: Annotated[int, Field(ge=1)] = 20
    exact: bool = False
    since: date | None = None
    tags: list[str] = []
    ids: set[int] | None = None
    by: Colour = Colour.RED


def test_texts_are_converted_also_for_a_strict_model() -> None:
    query = QueryParams(
        [
            ("text", "5"),
            ("limit", "3"),
            ("exact", "true"),
            ("since", "2024-02-03"),
            ("tags", "a"),
            ("ids", "1"),
            ("x", "y"),
        ]
    )
    wanted = Search(text="5", limit=3, exact=True, since=date(2024, 2, 3), tags=["a"], ids={1})
    assert QueryReader.of(Search).read(query) == wanted
    assert QueryReader.of(Search).read(QueryParams([])) == Search()


class Upload(BaseModel):
    title: str
    cover: UploadedFile | None = None
    pages: list[UploadedFile] = []


def test_a_form_knows_the_files_of_a_model() -> None:
    reader = FormReader.of(Upload)
    assert (set(reader.fields), set(reader.files)) == ({"title", "cover", "pages"}, {"cover", "pages"})
    assert reader.sequences == {"pages"}
    found = refusal(reader.read, {"title": ["a"], "cover": ["text"]})
    assert found.detail.startswith("The form does not fit: Expected a file, got text - at `$.cover`")
    with pytest.raises(UnprocessableContent, match="Expected text, got a file"):
        reader.check_file("title")


# -- what cannot be read
