"""Numbers: paths, queries and bodies refuse what is not a finite number in ASCII digits."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_sse import QueryParams
from trio_sse._http.body_reader import BodyReader
from trio_sse._http.numbers import NUMBER, is_nonstandard_number
from trio_sse._http.query_reader import QueryReader
from trio_sse._http.segments import read_segment
from trio_sse.errors import UnprocessableContent

NOT_FINITE = ["nan", "NaN", "+nan", "-nan", "inf", "-inf", "+inf", "Infinity", "-Infinity", "INF"]
ONLY_DECIMAL = ["sNaN", "-sNaN", "NaN123", "1_0", " 1", "1 ", "\u0663", "\u0967.\u0968", "\xa01", "n_a_n"]
FINITE = ["0", "-0", "1", "+1", "1.5", ".5", "5.", "1e3", "1E-3", "123456789012345678901234567890"]


def model_of(kind: Any) -> Any:
    return attrs.make_class("Model", {"price": attrs.field(type=kind)})


def query(kind: Any, *texts: str) -> Any:
    return QueryReader.of(model_of(kind)).read(QueryParams([("price", text) for text in texts])).price


def body(kind: Any, value: Any) -> Any:
    return BodyReader.of(model_of(kind)).read(json.dumps({"price": value}).encode()).price


@pytest.mark.parametrize("text", [*NOT_FINITE, *ONLY_DECIMAL])
@pytest.mark.parametrize("kind", [float, Decimal, float | None, Decimal | None, float | bool, float | Decimal])
def test_what_is_not_a_finite_number_is_refused_in_a_path_and_in_a_query(text: str, kind: Any) -> None:
    with pytest.raises(ValueError):
        read_segment(text, kind)
    with pytest.raises(UnprocessableContent, match=r"The query does not fit: .* - at `\$\.price`"):
        query(kind, text)


@pytest.mark.parametrize("text", [*NOT_FINITE, *ONLY_DECIMAL])
@pytest.mark.parametrize(
    ("kind", "wrap", "path"),
    [
        (Decimal, lambda text: text, r"`\$\.price`"),
        (Decimal | None, lambda text: text, r"`\$\.price`"),
        (list[Decimal], lambda text: ["1", text], r"`\$\.price\[1\]`"),
        (set[Decimal], lambda text: [text], r"`\$\.price\[0\]`"),
        (tuple[int, Decimal], lambda text: [1, text], r"`\$\.price\[1\]`"),
        (dict[str, Decimal], lambda text: {"a": text}, r"`\$\.price\[\.\.\.\]`"),
        (dict[Decimal, int], lambda text: {text: 1}, r"`key` in `\$\.price`"),
        (model_of(Decimal), lambda text: {"price": text}, r"`\$\.price\.price`"),
        (list[Decimal] | dict[str, Decimal], lambda text: {"a": text}, r"`\$\.price\[\.\.\.\]`"),
        (float, lambda text: text, r"`\$\.price`"),
        (list[float], lambda text: [text], r"`\$\.price\[0\]`"),
    ],
)
def test_what_is_not_a_finite_number_is_refused_in_a_body(text: str, kind: Any, wrap: Any, path: str) -> None:
    with pytest.raises(UnprocessableContent, match=f"The body does not fit: .* - at {path}"):
        body(kind, wrap(text))


@pytest.mark.parametrize("text", NOT_FINITE)
@pytest.mark.parametrize("kind", [list[float], tuple[str, float], tuple[float, ...], set[Decimal], list[float] | None])
def test_a_sequence_of_a_query_is_checked_item_by_item(text: str, kind: Any) -> None:
    with pytest.raises(UnprocessableContent, match=r"Expected a finite number - at `\$\.price\[1\]`"):
        query(kind, "1", text)


@pytest.mark.parametrize("text", FINITE)
@pytest.mark.parametrize("kind", [float, Decimal])
def test_a_finite_number_is_read_everywhere(text: str, kind: Any) -> None:
    refused: list[str] = []
    readers: list[Any] = [
        lambda: read_segment(text, kind),
        lambda: query(kind, text),
        lambda: query(list[kind], text)[0],
    ]
    for read in readers:
        try:
            assert read() == kind(text)
        except (ValueError, UnprocessableContent):
            refused.append(text)
    # msgspec reads a float as JSON writes it
    assert refused == ([text] * 3 if kind is float and text in ("+1", ".5", "5.") else [])
    if kind is Decimal:
        assert body(kind, text) == kind(text)


@pytest.mark.parametrize("text", [*NOT_FINITE, *ONLY_DECIMAL])
def test_text_stays_text_where_a_type_allows_it(text: str) -> None:
    assert query(str, text) == text
    assert query(float | str, text) == text
    assert query(list[float | str], text) == [text]
    assert query(tuple[str, float], text, "1.5") == (text, 1.5)
    assert body(str, text) == text
    assert body(Any, {"a": [text]}) == {"a": [text]}


@pytest.mark.parametrize("kind", [int, bool, datetime.datetime, datetime.date, datetime.time, datetime.timedelta])
@pytest.mark.parametrize("text", [*NOT_FINITE, "\u0663", "1_0", "\xa01"])
def test_no_other_type_reads_it_either(kind: Any, text: str) -> None:
    with pytest.raises(ValueError):
        read_segment(text, kind)
    with pytest.raises(UnprocessableContent):
        query(kind, text)
    with pytest.raises(UnprocessableContent):
        body(kind, text)


def test_words_that_are_not_numbers_are_still_read() -> None:
    assert query(float | bool, "true") is True
    assert query(float | None, "null") is None
    assert query(Decimal | None, "null") is None


@given(st.text() | st.floats().map(str) | st.decimals().map(str))
def test_what_passes_is_finite(text: str) -> None:
    if NUMBER.fullmatch(text):
        assert Decimal(text).is_finite()
        assert not is_nonstandard_number(text)
