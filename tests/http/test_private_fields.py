"""Private fields: what a class keeps to itself, a client cannot set, by query, by body or by path."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import Any, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_sse import App, Get, Post, QueryParams
from trio_sse._http.body_reader import BodyReader
from trio_sse._http.query_reader import QueryReader
from trio_sse.errors import BuildError, UnprocessableContent
from trio_sse.wire import encode_json

T = TypeVar("T")


@attrs.define
class Attrs:
    x: int = 0
    _admin: bool = False
    __mangled: int = 1  # pyright: ignore[reportGeneralTypeIssues] - a private name is what is tested
    _alias: int = attrs.field(default=1, alias="alias")
    computed: int = attrs.field(init=False, default=1)


@dataclasses.dataclass
class Data:
    x: int = 0
    _admin: bool = False
    __mangled: int = 1  # pyright: ignore[reportGeneralTypeIssues] - a private name is what is tested
    computed: int = dataclasses.field(init=False, default=1)


class Struct(msgspec.Struct):
    x: int = 0
    _admin: bool = False


class Renamed(msgspec.Struct, rename="camel"):
    x: int = 0
    _is_admin: bool = False


@attrs.define
class Generics(Generic[T]):
    x: T
    _admin: bool = False


@attrs.define
class Inherited(Attrs):
    y: int = 0


CLIENT = (
    '{"x":5,"_admin":true,"_Attrs__mangled":9,"_Data__mangled":9,"__mangled":9,"mangled":9,"_alias":9,"alias":9,'
    '"computed":9,"_isAdmin":true,"_is_admin":true}'
)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (Attrs, Attrs(x=5)),
        (Data, Data(x=5)),
        (Struct, Struct(x=5)),
        (Renamed, Renamed(x=5)),
        (Generics[int], Generics(x=5)),
        (Inherited, Inherited(x=5)),
    ],
)
def test_a_client_cannot_set_a_private_field(model: Any, wanted: Any) -> None:
    assert BodyReader.of(model).read(CLIENT.encode()) == wanted
    query = [(name, str(value)) for name, value in json.loads(CLIENT).items()]
    assert QueryReader.of(model).read(QueryParams(query)) == wanted


@attrs.define
class Node:
    _admin: bool = False
    children: list[Node] = attrs.Factory(list)


class Pair(NamedTuple):
    first: Attrs
    second: int = 0


class Keys(TypedDict):
    inner: Attrs
    _key: NotRequired[int]  # a key of a dict, and not a field of a class


class Row(msgspec.Struct, array_like=True):
    number: int
    inner: Attrs


class First(msgspec.Struct, tag="first"):
    inner: Attrs
    _admin: bool = False


class Second(msgspec.Struct, tag="second"):
    x: int = 0
    _admin: bool = False


class RowA(msgspec.Struct, tag="a", array_like=True):
    inner: Attrs


class RowB(msgspec.Struct, tag="b", array_like=True):
    inner: int


@attrs.define
class Holder:
    inner: Generics[list[Attrs]]


MEAN = '{"x":5,"_admin":true}'


@pytest.mark.parametrize(
    ("model", "body", "wanted"),
    [
        (list[Attrs], f"[{MEAN},{MEAN}]", [Attrs(5), Attrs(5)]),
        (dict[str, Attrs], f'{{"_admin":{MEAN}}}', {"_admin": Attrs(5)}),
        (tuple[int, Attrs], f"[1,{MEAN}]", (1, Attrs(5))),
        (tuple[Attrs, ...], f"[{MEAN}]", (Attrs(5),)),
        (Attrs | None, MEAN, Attrs(5)),
        (Attrs | list[Attrs] | int, MEAN, Attrs(5)),
        (Attrs | list[Attrs] | int, f"[{MEAN}]", [Attrs(5)]),
        (Attrs | list[Attrs] | int, "7", 7),
        (Node, '{"_admin":true,"children":[{"_admin":true,"children":[{"_admin":true}]}]}', Node(children=[Node()])),
        (Pair, f"[{MEAN},3]", Pair(Attrs(5), 3)),
        (Pair, f"[{MEAN}]", Pair(Attrs(5))),
        (Keys, f'{{"inner":{MEAN},"_key":7}}', {"inner": Attrs(5), "_key": 7}),
        (Row, f"[1,{MEAN}]", Row(1, Attrs(5))),
        (First | Second, f'{{"type":"first","inner":{MEAN},"_admin":true}}', First(Attrs(5))),
        (First | Second, '{"_admin":true,"x":5,"type":"second"}', Second(5)),
        (Second, '{"_admin":true,"x":5}', Second(5)),
        (RowA | RowB, f'["a",{MEAN}]', RowA(Attrs(5))),
        (RowA | RowB, '["b",5]', RowB(5)),
        (Holder, f'{{"inner":{{"x":[{MEAN}],"_admin":true}}}}', Holder(Generics([Attrs(5)]))),
        # the same name twice, and written with an escape
        (Attrs, '{"_admin":true,"x":5,"_admin":true,"_\\u0061dmin":true}', Attrs(5)),
        (Holder, f'{{"inner":{{"x":[{MEAN}]}},"inner":{{"x":[]}}}}', Holder(Generics([]))),
    ],
)
def test_a_client_cannot_set_a_private_field_of_a_class_inside(model: Any, body: str, wanted: Any) -> None:
    read = BodyReader.of(model).read(body.encode())
    if isinstance(wanted, Node):
        return _assert_no_admin(read)
    assert read == wanted


def _assert_no_admin(node: Node) -> None:
    assert not node._admin
    assert len(node.children) <= 1
    for child in node.children:
        _assert_no_admin(child)


@attrs.define
class Precise:
    price: Decimal
    number: int
    ratio: float
    anything: Any
    _admin: bool = False


def test_all_other_values_are_read_as_they_are_without_a_filter() -> None:
    body = (
        b'{"_admin":true,"price":0.10000000000000000000000000000000001,"number":123456789012345678901234567890,'
        b'"ratio":1e-7,"anything":[1.50,{"_admin":"\\ud83d\\ude00"}]}'
    )
    price = Decimal("0.10000000000000000000000000000000001")
    wanted = Precise(price, 123456789012345678901234567890, 1e-7, [1.5, {"_admin": "😀"}])
    assert BodyReader.of(Precise).read(body) == wanted


KINDS: list[Any] = [
    Attrs,
    Attrs | list[Attrs] | int | None,
    dict[str, Attrs | list[Decimal]],
    Pair,
    Row,
    First | Second,
    RowA | RowB,
    Keys,
    Holder,
    Node | str,
]
NAMES = ["x", "inner", "type", "children", "other"]
JSON_VALUES: Any = st.recursive(
    st.sampled_from([None, True, 0, 5, -1.5, 1e300, "", "5", "first", "second", "a", "b", "1.5", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3)
        | st.fixed_dictionaries({"type": st.sampled_from(["first", "second"]), "inner": inner, "x": inner})
        | st.tuples(st.sampled_from(["a", "b"]), inner).map(list)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(value=JSON_VALUES)
def test_a_body_without_private_fields_is_read_as_without_a_filter(kind: Any, value: Any) -> None:
    body = json.dumps(value).encode()
    reader = BodyReader.of(kind)
    assert reader.filter is not None
    try:
        wanted = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        with pytest.raises(UnprocessableContent):
            reader.read(body)
    else:
        assert reader.read(body) == wanted


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    x: int = 0
    _admin: bool = False


class Public(msgspec.Struct):
    id: str = msgspec.field(name="_id", default="")
    _x: int = msgspec.field(name="x", default=0)


def test_a_class_that_forbids_unknown_fields_forbids_private_ones() -> None:
    with pytest.raises(UnprocessableContent, match="Object contains a private field"):
        BodyReader.of(Strict).read(b'{"_admin":true}')
    with pytest.raises(UnprocessableContent, match="Object contains unknown field `y`"):
        BodyReader.of(Strict).read(b'{"y":true}')


def test_a_name_that_is_given_for_json_makes_a_field_public() -> None:
    assert BodyReader.of(Public).read(b'{"_id":"a","x":5}') == Public("a", 5)


@pytest.mark.parametrize("model", [Attrs, Node, Inherited])
def test_what_the_json_of_an_attrs_class_hides_cannot_be_set(model: Any) -> None:
    public = json.loads(encode_json(model()))
    named = {field.name for field in msgspec.inspect.type_info(model).fields}  # type: ignore[attr-defined]
    hidden = named - public.keys()
    assert hidden
    body = json.dumps(dict.fromkeys(hidden, 7)).encode()
    assert BodyReader.of(model).read(body) == model()


def test_a_model_without_private_fields_and_decimals_has_no_filter() -> None:
    @attrs.define
    class Plain:
        x: float
        y: list[str]

    assert BodyReader.of(Plain).filter is None
    assert BodyReader.of(dict[str, Any]).filter is None
    assert BodyReader.of(Attrs).filter is not None


# -- without a default


@attrs.define
class NoDefault:
    _owner: str


@dataclasses.dataclass
class NoDefaultData:
    _owner: str


@attrs.define
class NoArgument:
    owner: str = attrs.field(init=False)


class PrivateRow(msgspec.Struct, array_like=True):
    x: int
    _y: int = 0


@attrs.define
class Around:
    inner: list[NoDefault] | None = None


@attrs.define
class TakesSelf:
    x: int
    y: int = attrs.Factory(lambda self: self.x, takes_self=True)


@dataclasses.dataclass
class TakesInitVar:
    x: dataclasses.InitVar[int] = 0


DEFAULT = "cannot be set by a client, since it is private; give it a default"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NoDefault, f"the field NoDefault._owner {DEFAULT}"),
        (NoDefaultData, f"the field NoDefaultData._owner {DEFAULT}"),
        (
            NoArgument,
            "the field NoArgument.owner cannot be set by a client, since it has init=False; give it a default",
        ),
        (PrivateRow, "PrivateRow is an array in JSON, and cannot have private fields"),
        (Around, f"the field NoDefault._owner {DEFAULT}"),
        (list[NoDefault], f"the field NoDefault._owner {DEFAULT}"),
    ],
)
def test_a_private_field_without_a_default_is_a_build_error(model: Any, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        App().add(Post("/x").body(model).handle(lambda body: None)).check()
    assert str(caught.value).endswith(f": this type cannot be read: {message}")


@pytest.mark.parametrize("model", [NoDefault, NoDefaultData, NoArgument])
def test_also_for_a_query(model: Any) -> None:
    with pytest.raises(BuildError, match="cannot be set by a client"):
        App().add(Get("/x").query(model).handle(lambda query: None)).check()


@pytest.mark.parametrize("model", [TakesSelf, TakesInitVar])
def test_a_class_that_msgspec_cannot_make_is_a_build_error_and_not_a_500(model: Any) -> None:
    for route in (Get("/x").query(model).handle(lambda query: None), Post("/x").body(model).handle(lambda body: None)):
        with pytest.raises(BuildError, match=r"this type cannot be read: .*not (supported|implemented)"):
            App().add(route).check()
