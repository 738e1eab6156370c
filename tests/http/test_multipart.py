"""The multipart parser: parts, the limits to their headers, mistakes, and any division of a body."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_sse._http.headers import Headers
from trio_sse._http.multipart import MultipartParser
from trio_sse._http.parts import PartEnd, PartHead
from trio_sse.errors import BadRequest, HTTPException

BOUNDARY = "-xyz"

Part = tuple[str, "str | None", bytes]


def head(name: str = "a", rest: str = "") -> bytes:
    return f'Content-Disposition: form-data; name="{name}"{rest}\r\n'.encode()


def form(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    return b"".join(b"---xyz\r\n" + part + b"\r\n" for part in parts) + b"---xyz" + end


def parsed(pieces: Iterable[bytes]) -> Iterator[Part]:
    """Each complete part: the name, the file's name, and the data."""
    parser = MultipartParser(BOUNDARY)
    part, data = PartHead("", None, Headers()), b""
    for piece in pieces:
        for event in parser.feed(piece):
            match event:
                case PartHead():
                    part, data = event, b""
                case bytes():
                    data += event
                case PartEnd():
                    yield part.name, part.filename, data
    parser.close()


def outcome(pieces: Iterable[bytes]) -> tuple[list[Part], str]:
    """The parts, and the error that ended them, if there was one."""
    found: list[Part] = []
    try:
        found.extend(parsed(pieces))
    except HTTPException as error:
        return found, str(error)
    return found, ""


def read(body: bytes) -> list[Part]:
    return list(parsed([body]))


def error_of(body: bytes) -> str:
    found, error = outcome([body])
    assert error.startswith("400 Bad Request: "), (found, error)
    return error.removeprefix("400 Bad Request: ")


def test_a_part_is_text_or_a_file() -> None:
    body = form(head() + b"\r\none", head("b", '; filename="c.txt"') + b"\r\ntwo")
    assert read(body) == [("a", None, b"one"), ("b", "c.txt", b"two")]


def test_a_form_may_be_empty() -> None:
    assert read(form()) == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("ä", "ä"), ("a;b", "a;b"), ('a\\"b', 'a"b'), ("a%22b", "a%22b"), ("a=b", "a=b"), ("", ""), (" a ", " a ")],
)
def test_the_name_of_a_field_is_any_text(name: str, wanted: str) -> None:
    assert read(form(head(name) + b"\r\n")) == [(wanted, None, b"")]


def test_the_name_of_a_header_is_read_in_any_case() -> None:
    body = form(b"content-DISPOSITION:form-data;name=a;filename=b\r\n\r\nc")
    assert read(body) == [("a", "b", b"c")]


def test_the_extended_syntax_of_a_file_name_is_ignored() -> None:
    body = form(head("a", "; filename*=utf-8''evil.exe; filename=\"good.txt\"") + b"\r\n")
    assert read(body) == [("a", "good.txt", b"")]


@pytest.mark.parametrize("data", [b"\r\n", b"\r\n--", b"\r\n---xy", b"---xyz", b"\r\n\r\n---xyzz", b"\n---xyz\n"])
def test_data_may_look_like_the_beginning_of_a_boundary(data: bytes) -> None:
    assert read(form(head() + b"\r\n" + data)) == [("a", None, data)]


@pytest.mark.parametrize("end", [b"--", b"--\r\n", b"--\r\nmore\r\n---xyz\r\n"])
def test_what_comes_after_the_last_boundary_is_ignored(end: bytes) -> None:
    assert read(form(head() + b"\r\none", end=end)) == [("a", None, b"one")]


def test_a_line_break_may_precede_the_first_boundary() -> None:
    assert read(b"\r\n" + form(head() + b"\r\none")) == [("a", None, b"one")]


@pytest.mark.parametrize("body", [b"---xyz\r\n", b"---xyz\r\n" + head(), b"", b"-", form(head() + b"\r\none", end=b"")])
def test_a_form_that_is_cut_off_is_refused(body: bytes) -> None:
    assert error_of(body) == "The body ends before the form does."


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"name=a&more=text", "it does not begin with its boundary."),
        (b"preamble\r\n" + form(), "it does not begin with its boundary."),
        (b"---xyzz\r\n", "a boundary or a header of a part is not valid."),
        (form(b"no header\r\n\r\n"), "a boundary or a header of a part is not valid."),
        (form(b": empty\r\n\r\n"), "a boundary or a header of a part is not valid."),
        (form(b"a: b\rc\r\n\r\n"), "a boundary or a header of a part is not valid."),
        (form(b"\r\nno headers"), "a part has no Content-Disposition: form-data with a name."),
        (form(b"Content-Disposition: form-data\r\n\r\n"), "a part has no Content-Disposition: form-data with a name."),
        (
            form(b"Content-Disposition: file; name=a\r\n\r\n"),
            "a part has no Content-Disposition: form-data with a name.",
        ),
        (form(head() + b"x: a\nb\r\n\r\n"), "a header of a part has a control character."),
        (form(head() + b"x: \x1b[31m\r\n\r\n"), "a header of a part has a control character."),
        (form(head("a\x85") + b"\r\n"), "the name of a field has a control character."),
        (form(head() + b"x: y\r\n" * 8 + b"\r\n"), "a part has more than 8 headers."),
        (form(head() + b"x: " + b"y" * 4096 + b"\r\n\r\n"), "a header of a part is larger than 4096 bytes."),
        (form(head() + b"x" * 4097 + b": \r\n\r\n"), "a header of a part is larger than 4096 bytes."),
    ],
)
def test_a_malformed_form_is_refused_with_a_reason(body: bytes, detail: str) -> None:
    assert error_of(body) == f"The form is malformed: {detail}"
    assert (
        outcome([body[i : i + 1] for i in range(len(body))])[1] == f"400 Bad Request: The form is malformed: {detail}"
    )


def test_the_limits_to_headers_are_exact() -> None:
    body = form(head() + b"x: y\r\n" * 6 + b"x: " + b"y" * 4095 + b"\r\n\r\none")
    assert read(body) == [("a", None, b"one")]


@pytest.mark.parametrize("raw", [b'name="\xfc"', b'name="a"; filename="\xfc"'])
def test_a_name_that_is_not_utf_8_is_refused(raw: bytes) -> None:
    assert error_of(form(b"Content-Disposition: form-data; " + raw + b"\r\n\r\n")) == "The form is not valid UTF-8."


@pytest.mark.parametrize("encoding", ["7bit", "8BIT", "binary"])
def test_an_encoding_that_changes_nothing_is_read(encoding: str) -> None:
    body = form(head() + f"Content-Transfer-Encoding: {encoding}\r\n".encode() + b"\r\none")
    assert read(body) == [("a", None, b"one")]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_an_encoding_that_would_have_to_be_undone_is_refused(encoding: str) -> None:
    body = form(head() + f"Content-Transfer-Encoding: {encoding}\r\n".encode() + b"\r\nQQ==")
    assert outcome([body]) == (
        [],
        "415 Unsupported Media Type: This path reads no forms with a Content-Transfer-Encoding; send the data itself.",
    )


def test_nothing_is_logged_for_a_malformed_form(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        error_of(form(b"no header\r\n\r\n"))
    assert caplog.records == []


def test_a_boundary_that_is_too_long_for_the_parser_is_not_made_here() -> None:
    """`form_type.boundary_of` allows 70 characters, the parser 256."""
    assert list(MultipartParser("x" * 70).feed(b"")) == []


# -- any division of a body

DATA = st.one_of(st.binary(max_size=40), st.lists(st.sampled_from([b"\r", b"\n", b"-", b"---xyz", b"a"])).map(b"".join))
NAMES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters='"\\'), max_size=10)
PARTS = st.builds(
    lambda name, file, data: head(name, "" if file is None else f'; filename="{file}"') + b"\r\n" + data,
    NAMES,
    st.none() | NAMES,
    DATA,
)
FORMS = st.lists(PARTS, max_size=4).map(lambda parts: form(*parts))


def broken(body: bytes, at: int, with_byte: int) -> bytes:
    """The body with another byte at one place."""
    return body[: at % len(body)] + bytes([with_byte]) + body[at % len(body) + 1 :]


BODIES = st.one_of(
    FORMS,
    st.builds(broken, FORMS, st.integers(0, 10_000), st.integers(0, 255)),
    st.builds(lambda body, size: body[: size % (len(body) + 1)], FORMS, st.integers(0, 10_000)),
    FORMS.map(lambda body: b"\r\n" + body),
)


@given(BODIES, st.lists(st.integers(0, 400), max_size=12))
@example(form(head() + b"\r\n\r\n---xy"), list(range(60)))
def test_any_division_of_a_body_gives_the_same_parts_and_the_same_error(body: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[a:b] for a, b in pairwise(places)]
    assert outcome(pieces) == outcome([body])
    assert outcome([body[i : i + 1] for i in range(len(body))]) == outcome([body])


@given(st.lists(st.tuples(NAMES, DATA.filter(lambda data: b"---xyz" not in data)), max_size=4))
def test_what_was_put_into_a_form_is_read_from_it(fields: list[tuple[str, bytes]]) -> None:
    assert read(form(*(head(name) + b"\r\n" + data for name, data in fields))) == [(n, None, d) for n, d in fields]


def test_malformed_input_raises_nothing_else() -> None:
    with pytest.raises(BadRequest):
        read(bytes(range(256)))
