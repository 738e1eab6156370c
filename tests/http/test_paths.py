"""Path patterns, and the splitting and decoding of request paths."""

from __future__ import annotations

import contextlib
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_sse._http.paths import Path, is_rest, is_value, raw_path_of, read_rest, request_segments
from trio_sse.errors import BadRequest, BuildError

# -- patterns


@pytest.mark.parametrize(
    ("text", "segments", "names"),
    [
        ("/", (), ()),
        ("/rooms", ("rooms",), ()),
        ("/rooms/", ("rooms",), ()),
        ("/rooms/:room/events", ("rooms", ":room", "events"), ("room",)),
        ("/:a/:b", (":a", ":b"), ("a", "b")),
        ("/:_private", (":_private",), ("_private",)),
        ("/*path", ("*path",), ("path",)),
        ("/:a/files/*path/", (":a", "files", "*path"), ("a", "path")),
        ("/a*/b*c", ("a*", "b*c"), ()),
        ("/{}/{a-b}/a{b}/<1>/{a}.txt", ("{}", "{a-b}", "a{b}", "<1>", "{a}.txt"), ()),
        ("/feed.xml", ("feed.xml",), ()),
        ("/a/.../b", ("a", "...", "b"), ()),
        ("/a+b/c;d=e/f@g", ("a+b", "c;d=e", "f@g"), ()),
        ("/größe", ("größe",), ()),
    ],
)
def test_a_pattern_is_its_segments(text: str, segments: tuple[str, ...], names: tuple[str, ...]) -> None:
    path = Path.parse(text)
    assert path.segments == segments
    assert path.names == names
    assert path.literals == tuple(segment for segment in segments if segment[1:] not in names)


def test_a_pattern_reads_as_it_was_written_without_the_last_slash() -> None:
    assert str(Path.parse("/rooms/:room/")) == "/rooms/:room"
    assert str(Path.parse("/")) == "/"


def test_patterns_are_values() -> None:
    assert Path.parse("/rooms/:room") == Path.parse("/rooms/:room/")
    assert len({Path.parse("/a"), Path.parse("/a/"), Path.parse("/b")}) == 2


# -- request paths


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        (b"", ()),
        (b"/", ()),
        (b"//", ("",)),
        (b"/rooms", ("rooms",)),
        (b"/rooms/", ("rooms",)),
        (b"/rooms//", ("rooms", "")),
        (b"//rooms", ("", "rooms")),
        (b"/a//b", ("a", "", "b")),
        (b"/a%2Fb", ("a/b",)),
        (b"/a%2f", ("a/",)),
        (b"/a%252Fb", ("a%2Fb",)),
        (b"/a+b", ("a+b",)),
        (b"/a%2Bb", ("a+b",)),
        (b"/a%20b", ("a b",)),
        (b"/%E2%82%AC", ("€",)),
        (b"/%e2%82%ac", ("€",)),
        (b"/\xe2\x82\xac", ("€",)),
        (b"/%F0%9F%98%80", ("😀",)),
        (b"/%", ("%",)),
        (b"/%4", ("%4",)),
        (b"/%zz", ("%zz",)),
        (b"/..", ("..",)),
        (b"/a/%2e%2E/b", ("a", "..", "b")),
        (b"/.", (".",)),
        (b"/:room", (":room",)),
        (b"/a?b", ("a?b",)),
    ],
)
def test_a_path_is_split_first_and_decoded_once(raw: bytes, segments: tuple[str, ...]) -> None:
    assert request_segments(raw) == segments


@pytest.mark.parametrize(
    "raw",
    [
        b"/%00",
        b"/a%0Ab",
        b"/a%0d%0ab",
        b"/%7F",
        b"/%C2%85",
        b"/\x00",
        b"/a\nb",
        b"/\x7f",
        b"/\xc2\x9f",
    ],
)
def test_a_control_character_is_a_bad_request(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="control character"):
        request_segments(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"/%FF", id="no start byte"),
        pytest.param(b"/%C0%AF", id="overlong slash"),
        pytest.param(b"/%E0%80%AF", id="longer overlong slash"),
        pytest.param(b"/%C0%80", id="overlong NUL"),
        pytest.param(b"/%ED%A0%80", id="lone surrogate"),
        pytest.param(b"/%F4%90%80%80", id="beyond Unicode"),
        pytest.param(b"/%E2%82", id="cut off"),
        pytest.param(b"/%E2/%82%AC", id="split by a slash"),
        pytest.param(b"/\xff", id="raw byte"),
        pytest.param(b"/caf\xe9", id="latin-1"),
    ],
)
def test_what_is_not_utf8_is_a_bad_request(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="not valid UTF-8"):
        request_segments(raw)


@pytest.mark.parametrize("raw", [b"*", b"rooms", b"http://host/rooms", b"%2Frooms", b"?a"])
def test_a_target_that_is_no_path_is_a_bad_request(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="not a path"):
        request_segments(raw)


@pytest.mark.parametrize(
    ("raw", "root", "segments"),
    [
        (b"/api/rooms", "/api", ("rooms",)),
        (b"/api/rooms/", "/api/", ("rooms",)),
        (b"/api", "/api", ()),
        (b"/api/", "/api", ()),
        (b"/apiary/rooms", "/api", ("apiary", "rooms")),
        (b"/rooms", "/api", ("rooms",)),
        (b"/rooms", "/", ("rooms",)),
        (b"/rooms", "", ("rooms",)),
        (b"/api/api/x", "/api", ("api", "x")),
        (b"/a/b/c", "/a/b", ("c",)),
        (b"/a%2Fb/c", "/a/b", ("a/b", "c")),
        (b"/caf%C3%A9/x", "/café", ("x",)),
        (b"/x/api", "/api", ("x", "api")),
    ],
)
def test_where_the_app_is_mounted_is_taken_off(raw: bytes, root: str, segments: tuple[str, ...]) -> None:
    assert request_segments(raw, root) == segments


@given(st.binary(max_size=40).map(lambda rest: b"/" + rest) | st.binary(max_size=40), st.text(max_size=5))
@example(b"/%", "")
@example(b"/%C3/%A9", "/")
def test_any_bytes_are_segments_or_a_bad_request(raw: bytes, root: str) -> None:
    try:
        segments = request_segments(raw, root)
    except BadRequest:
        return
    assert all(isinstance(segment, str) for segment in segments)


# -- the rest of a path


@pytest.mark.parametrize(
    ("raw", "rest"),
    [
        (b"/a", "a"),
        (b"/a/", "a"),
        (b"/a/b/c.txt", "a/b/c.txt"),
        (b"/a%20b/%C3%BC", "a b/ü"),
        (b"/.../.a", ".../.a"),
        (b"/a%5Cb", "a\\b"),
        (b"", None),
        (b"/", None),
        (b"//", None),
        (b"//a", None),
        (b"/a//b", None),
        (b"/a//", None),
        (b"/..", None),
        (b"/a/../b", None),
        (b"/a/./b", None),
        (b"/a/%2e%2E/b", None),
        (b"/a%2Fb", None),
        (b"/..%2Fb", None),
        (b"/%2F", None),
    ],
)
def test_the_rest_of_a_path_is_its_segments_unless_one_of_them_could_not_be_a_value(
    raw: bytes, rest: str | None
) -> None:
    assert read_rest(request_segments(raw)) == rest
    assert rest is None or (is_rest(rest) and Path.parse("/*path").filled({"path": rest}) == request_segments(raw))


@given(st.text() | st.lists(st.text(max_size=3) | st.sampled_from(["a", "..", "."]), max_size=4).map("/".join))
def test_what_can_be_the_rest_of_a_path_comes_back(text: str) -> None:
    pattern = Path.parse("/files/*path")
    if is_rest(text):
        raw = pattern.fill({"path": text}).encode("ascii")
        assert raw.count(b"/") == text.count("/") + 2
        assert request_segments(raw) == pattern.filled({"path": text})
        assert read_rest(request_segments(raw)[1:]) == text
    elif all(is_value(segment) for segment in text.split("/")):
        pytest.fail("each of its segments could be a value")


names = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True).map(lambda name: f"p_{name}")
literals = st.from_regex(r"[a-zA-Z0-9._~+-]{1,8}", fullmatch=True).filter(lambda text: text not in (".", ".."))
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)


@given(st.lists(literals | st.tuples(names, values), max_size=5, unique_by=str), st.booleans())
def test_what_is_formatted_into_a_pattern_comes_back(parts: list[Any], slash: bool) -> None:
    pattern = Path.parse(
        "/" + "/".join(part if isinstance(part, str) else f":{part[0]}{i}" for i, part in enumerate(parts))
    )
    wanted = tuple(part if isinstance(part, str) else part[1] for part in parts)
    raw = "/" + "/".join(quote(text, safe="") for text in wanted) + ("/" if slash and parts else "")
    segments = request_segments(raw.encode())
    assert segments == wanted
    assert len(segments) == len(pattern.segments)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(lambda text: "/" + text))
def test_a_decoded_path_is_as_good_as_a_raw_one_where_no_slash_was_encoded(path: str) -> None:
    assert request_segments(raw_path_of(path)) == tuple(path.removesuffix("/").split("/")[1:])


def test_a_decoded_path_with_half_of_a_character_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        request_segments(raw_path_of("/\ud800"))


# -- texts that are not patterns (the messages: test_build_errors)


@given(st.text(max_size=12))
@example("/a\u2028b")
@example("/:\ufb01")
def test_any_text_is_a_pattern_or_a_build_error(text: str) -> None:
    with contextlib.suppress(BuildError):
        path = Path.parse(text)
        assert Path.parse(str(path)) == path
