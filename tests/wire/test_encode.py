"""What goes on the wire for each event, and what is refused instead."""

import enum
import json
import uuid
from collections import UserDict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import attrs
import msgspec
import pytest

from trio_sse.wire import (
    MAX_ID_SIZE,
    MAX_RETRY,
    NO_DATA,
    Done,
    EventError,
    EventLike,
    ServerSentEvent,
    encode,
    encode_comment,
    encode_json,
    encode_many,
)


class Colour(enum.StrEnum):
    RED = "red"


class OldColour(str, enum.Enum):  # noqa: UP042 - its str() is "OldColour.RED", which is the point
    RED = "red"


class Shout(str):
    """A str that answers differently wherever it is asked, as escaping strings do."""

    __slots__ = ()

    def __str__(self) -> str:
        return "SHOUT"

    def __format__(self, spec: str) -> str:
        return "SHOUT"

    def replace(self, *args: object) -> str:
        return "SHOUT"


class Text(msgspec.Struct):
    text: str


@dataclass
class Point:
    x: int


@attrs.frozen
class Tick:
    at: datetime
    point: Point
    colours: set[Colour]
    raw: Text


def refused(event: Any, field: str) -> EventError:
    with pytest.raises(EventError) as caught:
        encode(event)
    assert caught.value.field == field
    return caught.value


# Form.


def test_the_fields_come_in_one_documented_order() -> None:
    event = {"data": "d", "retry": 3, "id": "i", "event": "e", "comment": "c"}
    assert encode(event) == b": c\nevent: e\nid: i\nretry: 3\ndata: d\n\n"


def test_an_event_and_a_mapping_of_its_fields_give_the_same_bytes() -> None:
    event = ServerSentEvent("d", event="e", id="i", retry=3, comment="c")
    assert encode(event) == encode({"data": "d", "retry": 3, "id": "i", "event": "e", "comment": "c"})


@pytest.mark.parametrize("make", [dict, MappingProxyType, UserDict])
def test_any_kind_of_mapping_is_read(make: Any) -> None:
    assert encode(make({"event": "e", "data": "d"})) == b"event: e\ndata: d\n\n"


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        ({"data": ""}, b"data:\n\n"),
        ({"id": ""}, b"id:\n\n"),
        ({"comment": ""}, b":\n"),
        ({"data": " x"}, b"data:  x\n\n"),
        ({"retry": 0}, b"retry: 0\n"),
        ({"retry": MAX_RETRY}, b"retry: 9007199254740991\n"),
        ({"event": "a:b", "data": "ä€😀"}, "event: a:b\ndata: ä€😀\n\n".encode()),
    ],
)
def test_a_value_follows_the_colon_and_one_space_and_an_empty_one_does_not(
    event: dict[str, object], wire: bytes
) -> None:
    assert encode(event) == wire


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\nb", b"data: a\ndata: b\n"),
        ("a\rb", b"data: a\ndata: b\n"),
        ("a\r\nb", b"data: a\ndata: b\n"),
        ("a\n\rb", b"data: a\ndata:\ndata: b\n"),
        ("a\r\r\nb", b"data: a\ndata:\ndata: b\n"),
        ("\n", b"data:\ndata:\n"),
        ("a\n", b"data: a\ndata:\n"),
        ("\n\nid: 1", b"data:\ndata:\ndata: id: 1\n"),
    ],
)
def test_cr_lf_and_crlf_in_data_each_begin_a_new_data_line(text: str, lines: bytes) -> None:
    assert encode({"data": text}) == lines + b"\n"


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_what_only_python_takes_for_a_line_end_stays_within_its_line(end: str) -> None:
    assert encode({"data": f"a{end}b", "event": f"c{end}d"}) == f"event: c{end}d\ndata: a{end}b\n\n".encode()


def test_a_comment_of_several_lines_becomes_several_comments() -> None:
    assert encode({"comment": "a\r\n\nb", "data": "d"}) == b": a\n:\n: b\ndata: d\n\n"


def test_many_events_are_written_one_after_the_other() -> None:
    events: list[EventLike] = [{"data": "a"}, ServerSentEvent("b")]
    assert encode_many(iter(events)) == b"data: a\n\ndata: b\n\n"
    assert encode_many([]) == b""


def test_many_events_share_the_json_encoder_that_was_given() -> None:
    assert encode_many([{"data": 1}, {"data": 2}], json=lambda value: f"<{value}>") == b"data: <1>\n\ndata: <2>\n\n"


@pytest.mark.parametrize(
    ("fields", "wire"),
    [
        ({"comment": "c"}, b": c\n"),
        ({"comment": ""}, b":\n"),
        ({"retry": 5}, b"retry: 5\n"),
        ({"comment": "c\nd", "retry": 5}, b": c\n: d\nretry: 5\n"),
        ({"comment": "c", "id": "7"}, b": c\nid: 7\n\n"),
        ({"retry": 5, "event": "e"}, b"event: e\nretry: 5\n\n"),
        ({"retry": 5, "data": ""}, b"retry: 5\ndata:\n\n"),
    ],
)
def test_what_is_no_event_has_no_blank_line(fields: dict[str, Any], wire: bytes) -> None:
    assert encode(fields) == encode(ServerSentEvent(**fields)) == wire


@pytest.mark.parametrize(("text", "wire"), [("", b":\n"), ("hi", b": hi\n"), ("a\rb", b": a\n: b\n")])
def test_a_heartbeat_is_a_comment_on_its_own(text: str, wire: bytes) -> None:
    assert encode_comment(text) == wire


# Absence.


def test_none_means_absent_for_every_field_but_data() -> None:
    assert encode({"event": None, "id": None, "retry": None, "comment": None, "data": None}) == b"data: null\n\n"


def test_no_data_writes_no_data_line() -> None:
    assert encode({"id": "7", "data": NO_DATA}) == encode({"id": "7"}) == b"id: 7\n\n"
    assert encode(ServerSentEvent(id="7")) == b"id: 7\n\n"
    assert repr(NO_DATA) == "NO_DATA"


@pytest.mark.parametrize("event", [{}, {"event": None, "id": None}, {"data": NO_DATA}])
def test_an_event_without_any_field_is_refused(event: dict[str, object]) -> None:
    assert "empty" in refused(event, "").reason


def test_an_event_value_without_any_field_cannot_be_made() -> None:
    with pytest.raises(EventError, match="empty"):
        ServerSentEvent()


# Data.


@pytest.mark.parametrize("value", [Colour.RED, OldColour.RED])
def test_a_str_enum_is_written_as_its_value(value: Any) -> None:
    assert encode({"data": value, "event": value}) == b"event: red\ndata: red\n\n"
    assert encode(ServerSentEvent(value, event=value, id=value)) == b"event: red\nid: red\ndata: red\n\n"


def test_a_str_subclass_counts_by_its_characters_whatever_its_methods_say() -> None:
    hostile = Shout("a\nb")
    assert encode({"data": hostile, "comment": hostile}) == b": a\n: b\ndata: a\ndata: b\n\n"
    assert encode({"data": [hostile]}) == b'data: ["a\\nb"]\n\n'
    assert "LF" in refused({"event": hostile}, "event").reason


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        (float("nan"), "null"),
        (float("-inf"), "null"),
        ([1, (2,)], "[1,[2]]"),
        ({"a": "\n\r"}, r'{"a":"\n\r"}'),
        (date(2026, 1, 2), '"2026-01-02"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.10"), '"1.10"'),
    ],
)
def test_data_that_is_no_str_is_written_as_json(value: object, text: str) -> None:
    assert encode({"data": value}) == f"data: {text}\n\n".encode()


def test_values_of_attrs_dataclasses_and_structs_may_be_nested() -> None:
    tick = Tick(datetime(2026, 1, 2, tzinfo=UTC), Point(1), {Colour.RED}, Text("ä"))
    assert json.loads(encode_json(tick)) == {  # msgspec promises no order for the fields of a slotted class
        "at": "2026-01-02T00:00:00Z",
        "point": {"x": 1},
        "colours": ["red"],
        "raw": {"text": "ä"},
    }


@pytest.mark.parametrize("value", [b"x", bytearray(b"x"), memoryview(b"x")])
def test_bytes_as_data_are_refused_not_turned_into_base64(value: object) -> None:
    error = refused({"data": value}, "data")
    assert type(value).__name__ in error.reason


def test_bytes_inside_data_are_base64_as_documented() -> None:
    assert encode_json({"a": b"x"}) == b'{"a":"eA=="}'


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "builtins.object"),
        ({"a": [1j]}, "builtins.complex"),
        ({(1, 2): 3}, "tuple"),
        ([type("Blob", (bytes,), {})(b"x")], "Blob"),
        pytest.param(10**5000, "int", id="endless-int"),
        ("\ud800", "str"),
        (["\ud800"], "list"),
    ],
)
def test_a_value_without_a_form_in_json_is_refused_by_its_type(value: object, named: str) -> None:
    with pytest.raises(EventError) as caught:
        encode_json(value)
    assert caught.value.field == "data"
    assert named in caught.value.reason


def test_a_refused_value_deep_inside_is_named_itself_not_what_holds_it() -> None:
    reason = refused({"data": {"a": [1j]}}, "data").reason
    assert reason == "cannot write builtins.complex as JSON: convert it, or pass a JSON encoder"


def test_a_cycle_is_refused_and_does_not_overflow() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    refused({"data": cycle}, "data")


# What a JSON encoder returns.


def test_another_json_encoder_may_return_str_or_bytes() -> None:
    assert encode({"data": [1, 2]}, json=json.dumps) == b"data: [1, 2]\n\n"
    assert encode({"data": [1, 2]}, json=lambda value: json.dumps(value).encode()) == b"data: [1, 2]\n\n"


def test_another_json_encoder_may_take_bytes() -> None:
    assert encode({"data": b"x"}, json=repr) == b"data: b'x'\n\n"


def test_a_str_subclass_from_a_json_encoder_counts_by_its_characters() -> None:
    assert encode({"data": 1}, json=lambda _: Shout("a\rb")) == b"data: a\ndata: b\n\n"


def test_a_json_encoder_is_not_asked_about_a_str() -> None:
    assert encode({"data": "x"}, json=lambda value: 1 / 0) == b"data: x\n\n"  # type: ignore[arg-type, return-value]  # never called


@pytest.mark.parametrize("text", ["{\n}\n\nid: 1", b"{\n}\n\nid: 1", b"{\r}\r\n\r\nid: 1"])
def test_line_ends_from_a_json_encoder_stay_within_the_event(text: str | bytes) -> None:
    assert encode({"data": {}}, json=lambda _: text) == b"data: {\ndata: }\ndata:\ndata: id: 1\n\n"


def test_raw_json_cannot_smuggle_an_event_through_msgspec() -> None:
    assert encode({"data": msgspec.Raw(b"1\n\ndata: 2")}) == b"data: 1\ndata:\ndata: data: 2\n\n"


@pytest.mark.parametrize("written", [None, bytearray(b"1"), 1, b"\xff", b"\xed\xa0\x80", "\ud800"])
def test_what_a_json_encoder_returns_must_be_text_or_utf8(written: Any) -> None:
    with pytest.raises(EventError) as caught:
        encode({"data": {}}, json=lambda _: written)
    assert caught.value.field == "data"


def test_what_a_json_encoder_raises_passes_through() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        encode({"data": object()}, json=json.dumps)


# Refusals.


@pytest.mark.parametrize("control", ["\r", "\n", "\r\n", "\0"])
@pytest.mark.parametrize("field", ["event", "id"])
def test_a_line_end_or_nul_in_a_name_or_an_id_is_refused(field: str, control: str) -> None:
    refused({field: f"a{control}data: b"}, field)
    fields: dict[str, Any] = {field: f"a{control}"}
    with pytest.raises(EventError, match=field):
        ServerSentEvent(**fields)


@pytest.mark.parametrize("field", ["comment", "event", "id", "data"])
@pytest.mark.parametrize("surrogate", ["\ud800", "a\udfff", "\udc80\n"])
def test_a_lone_surrogate_is_refused_in_any_field(field: str, surrogate: str) -> None:
    text = surrogate.rstrip("\n") if field in {"event", "id"} else surrogate
    assert "surrogate" in refused({field: text}, field).reason


def test_a_lone_surrogate_in_a_heartbeat_is_refused() -> None:
    with pytest.raises(EventError, match="comment"):
        encode_comment("\ud800")


@pytest.mark.parametrize("field", ["comment", "event", "id"])
@pytest.mark.parametrize("value", [1, b"x", True, ["x"]])
def test_text_fields_take_only_text(field: str, value: object) -> None:
    assert type(value).__name__ in refused({field: value}, field).reason


def test_an_empty_name_is_refused_for_it_would_mean_message() -> None:
    assert "message" in refused({"event": "", "data": "x"}, "event").reason


@pytest.mark.parametrize("character", ["x", "€", "😀"])
def test_an_id_is_bounded_in_bytes_not_characters(character: str) -> None:
    most = MAX_ID_SIZE // len(character.encode())
    assert encode({"id": character * most}).startswith(b"id: ")
    refused({"id": character * (most + 1)}, "id")


@pytest.mark.parametrize("retry", [-1, True, False, 1.0, "1", MAX_RETRY + 1, pytest.param(10**5000, id="endless-int")])
def test_retry_takes_only_a_whole_number_of_milliseconds(retry: Any) -> None:
    assert "milliseconds" in refused({"retry": retry}, "retry").reason
    with pytest.raises(EventError, match="retry"):
        ServerSentEvent(retry=retry)


def test_an_unknown_key_is_refused_with_the_nearest_that_is_known() -> None:
    reason = refused({"data": 1, "evnt": "x"}, "evnt").reason
    assert "comment, data, event, id, retry" in reason
    assert "'event'" in reason
    assert "'data'" in refused({"DATA": 1}, "DATA").reason
    assert "did you mean" not in refused({"zzzzzz": 1}, "zzzzzz").reason


@pytest.mark.parametrize("key", [1, None, b"data", ("data",)])
def test_a_key_that_is_no_str_is_refused(key: object) -> None:
    assert type(key).__name__ in refused({key: 1}, repr(key)).reason


@pytest.mark.parametrize("event", ["data: x\n\n", b"x", None, ["data"], 1, Done()])
def test_only_events_and_mappings_are_events(event: object) -> None:
    assert type(event).__name__ in refused(event, "").reason


def test_one_bad_event_among_many_is_refused() -> None:
    with pytest.raises(EventError, match="retry"):
        encode_many([{"data": "a"}, {"retry": -1}])


# The values and the errors.


def test_an_event_takes_its_data_by_position_and_the_rest_by_name_in_order() -> None:
    assert [field.name for field in attrs.fields(ServerSentEvent)] == ["data", "event", "id", "retry", "comment"]


def test_events_are_frozen_and_compare_by_value() -> None:
    event = ServerSentEvent({"n": 1}, id="1")
    assert event == ServerSentEvent(id="1", data={"n": 1})
    assert Done() == Done()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.id = "2"  # type: ignore[misc]  # what is tested is that this fails
    assert not hasattr(event, "__dict__")


def test_a_changed_copy_of_an_event_is_checked_again() -> None:
    with pytest.raises(EventError, match="id"):
        attrs.evolve(ServerSentEvent("x"), id="\n")


def test_an_error_names_its_field_and_the_first_route_it_was_given() -> None:
    error = EventError("id", "is wrong: fix it")
    assert str(error) == "event field 'id': is wrong: fix it"
    assert error.at("GET /a") is error
    assert str(error.at("GET /b")) == "GET /a: event field 'id': is wrong: fix it"
    assert str(EventError("", "is empty")) == "event: is empty"
