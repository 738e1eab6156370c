"""Requests, responses, and the reading of headers."""

from __future__ import annotations

import contextlib
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_sse import Headers, QueryParams, Request, Response
from trio_sse._http.accept import accepts_event_stream, asks_for_event_stream
from trio_sse.errors import BadRequest
from trio_sse.wire import MAX_ID_SIZE, encode_json


def request(*headers: tuple[bytes, bytes], **scope: Any) -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "headers": list(headers), **scope})


# -- QueryParams


def test_a_name_has_a_first_value_and_all_values() -> None:
    values = QueryParams([("a", "1"), ("b", "2"), ("a", "3")])
    assert values["a"] == "1"
    assert values.get_all("a") == ("1", "3")
    assert values.get_all("c") == ()
    assert values.get("c") is None
    assert list(values) == ["a", "b"]
    assert len(values) == 2
    assert repr(values) == "QueryParams({'a': ['1', '3'], 'b': ['2']})"


def test_only_headers_ignore_case() -> None:
    assert Headers([("Accept", "x")])["aCCept"] == "x"
    assert Headers([("Accept", "x"), ("accept", "y")]).get_all("ACCEPT") == ("x", "y")
    assert "accept" not in QueryParams([("Accept", "x")])


def test_query_parameters_are_equal_when_all_values_are() -> None:
    assert QueryParams([("a", "1"), ("a", "2")]) == QueryParams([("a", "1"), ("a", "2")])
    assert QueryParams([("a", "1"), ("a", "2")]) != QueryParams([("a", "1")])
    assert QueryParams([("a", "1")]) == {"a": "1"}
    assert QueryParams([("a", "1")]) != {"a": "2"}
    assert QueryParams([("a", "1")]) != "a"


def test_query_parameters_cannot_be_hashed() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(QueryParams([]))


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3))))
def test_query_parameters_keep_everything_in_order(pairs: list[tuple[str, str]]) -> None:
    values = QueryParams(pairs)
    assert set(values) == {name for name, _ in pairs}
    for name in values:
        assert values.get_all(name) == tuple(value for other, value in pairs if other == name)
        assert values[name] == values.get_all(name)[0]


# -- what a repr shows


@pytest.mark.parametrize(
    ("name", "is_shown"),
    [
        ("authorization", False),
        ("Proxy-Authorization", False),
        ("cookie", False),
        ("set-cookie", False),
        ("x-api-key", False),
        ("x-csrf-token", False),
        ("x-amz-signature", False),
        ("accept", True),
        ("accept-encoding", True),
        ("host", True),
        ("last-event-id", True),
        ("user-agent", True),
        ("x-forwarded-for", True),
        # query parameters
        ("token", False),
        ("access_token", False),
        ("ACCESS_TOKEN", False),
        ("key", False),
        ("apikey", False),
        ("password", False),
        ("pwd", False),
        ("code", False),
        ("code_verifier", False),
        ("session_id", False),
        ("sid", False),
        ("sig", False),
        ("client_secret", False),
        ("jwt", False),
        ("room", True),
        ("page", True),
        ("design", True),
        ("inside", True),
    ],
)
def test_a_repr_masks_what_may_be_secret(name: str, is_shown: bool) -> None:
    for mapping in (Headers([(name, "first"), (name, "second")]), QueryParams([(name, "first"), (name, "second")])):
        values = ["first", "second"] if is_shown else ["[secure]", "[secure]"]
        assert repr(mapping) == f"{type(mapping).__name__}({ {next(iter(mapping)): values}!r})"
        assert f"{mapping}" == repr(mapping)
        assert mapping[name] == "first"


def test_a_repr_masks_every_cookie() -> None:
    cookies = request((b"cookie", b"theme=dark; __Host-session=s3cret")).cookies
    assert repr(cookies) == str(cookies) == "Cookies({'theme': '[secure]', '__Host-session': '[secure]'})"
    assert cookies["__Host-session"] == "s3cret"


def test_a_response_masks_its_cookies_in_its_repr_and_in_its_errors() -> None:
    response = Response(headers={"Set-Cookie": "session=s3cret", "etag": "x"})
    assert "headers=(('set-cookie', '[secure]'), ('etag', 'x'))" in repr(response)
    with pytest.raises(ValueError, match=r"header 'set-cookie': '\[secure\]' cannot be sent"):
        Response(headers={"Set-Cookie": "session=s3cret\n"})


@pytest.mark.parametrize(
    ("scope", "shown"),
    [
        ({"path": "/x", "query_string": b"token=s3cret"}, "<Request GET /x>"),
        ({"path": "/a\x1b[31m\r\nb\x9b"}, "<Request GET /a\\x1b[31m\\r\\nb\\x9b>"),
        ({"path": "/\ud800"}, "<Request GET /\\ud800>"),
        ({"path": "/größe"}, "<Request GET /größe>"),
        ({"method": "G\x1bET"}, "<Request G\\x1bET />"),
    ],
)
def test_the_repr_of_a_request_has_no_query_and_escapes_control_characters(scope: Any, shown: str) -> None:
    assert repr(request((b"authorization", b"Bearer s3cret"), **scope)) == shown


# -- Request


def test_a_request_reads_its_scope() -> None:
    it = request(method="POST", path="/a b", http_version="2", client=["::1", 80, 0, 0])
    assert (it.method, it.path, it.http_version, it.client) == ("POST", "/a b", "2", ("::1", 80))
    assert repr(it) == "<Request POST /a b>"


def test_what_the_scope_leaves_out_has_a_default() -> None:
    it = request()
    assert (it.http_version, it.client, dict(it.query), dict(it.cookies), it.last_event_id) == (
        "1.1",
        None,
        {},
        {},
        None,
    )


def test_headers_are_latin_1_and_found_in_any_case() -> None:
    it = request((b"x-name", b"caf\xe9"), (b"x-name", b"second"))
    assert it.headers["X-Name"] == "café"
    assert it.headers.get_all("x-NAME") == ("café", "second")


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        (b"", []),
        (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a=", [("a", "")]),
        (b"a", [("a", "")]),
        (b"a+b=c+d%2B", [("a b", "c d+")]),
        (b"a=%E2%82%AC", [("a", "€")]),
        (b"a=%2526", [("a", "%26")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"&&=x&", [("", "x")]),
        (b"a=%zz", [("a", "%zz")]),
    ],
)
def test_a_query_string_is_decoded_once(raw: bytes, pairs: list[tuple[str, str]]) -> None:
    assert request(query_string=raw).query == QueryParams(pairs)


@pytest.mark.parametrize("raw", [b"a=%FF", b"%C0%AF=1", b"a=\xff", b"a=\xe2\x82\xac"])
def test_a_query_string_that_is_not_utf8_is_a_bad_request(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="query string"):
        _ = request(query_string=raw).query


@given(st.binary(max_size=30))
def test_any_query_string_is_read_or_a_bad_request(raw: bytes) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(request(query_string=raw).query, QueryParams)


@pytest.mark.parametrize(
    ("headers", "cookies"),
    [
        ([b"a=1; b=2"], {"a": "1", "b": "2"}),
        ([b"a=1;b=2"], {"a": "1", "b": "2"}),
        ([b"a=1", b"b=2"], {"a": "1", "b": "2"}),
        ([b"a=1; a=2"], {"a": "1"}),
        ([b"a = 1 "], {"a": "1"}),
        ([b"a=b=c"], {"a": "b=c"}),
        ([b'a="1"'], {"a": "1"}),
        ([b'a="'], {"a": '"'}),
        ([b'a="x'], {"a": '"x'}),
        ([b'a=""x""'], {"a": '"x"'}),
        ([b"a="], {"a": ""}),
        ([b'a=""'], {"a": ""}),
        ([b"nothing"], {}),
        ([b";;"], {}),
        ([], {}),
        ([b"a=caf\xe9"], {"a": "café"}),
        ([b" \ta\t = \t1 \t; b=2"], {"a": "1", "b": "2"}),
        # A sibling domain may set these names, and browsers store and send them.
        ([b"\xa0__Host-session=evil; __Host-session=good"], {"\xa0__Host-session": "evil", "__Host-session": "good"}),
        ([b"\x85__Host-session=evil"], {"\x85__Host-session": "evil"}),
        ([b"__Host-session\xa0=evil"], {"__Host-session\xa0": "evil"}),
        ([b"\x0b__Host-session=evil"], {"\x0b__Host-session": "evil"}),
        ([b"\x1f__Host-session=evil"], {"\x1f__Host-session": "evil"}),
        ([b"a=\xa01\x85"], {"a": "\xa01\x85"}),
    ],
)
def test_cookies(headers: list[bytes], cookies: dict[str, str]) -> None:
    assert request(*((b"cookie", header) for header in headers)).cookies == cookies


@given(st.lists(st.binary(max_size=30), max_size=3))
def test_any_bytes_are_cookies(headers: list[bytes]) -> None:
    cookies = request(*((b"cookie", header) for header in headers)).cookies
    assert all(isinstance(text, str) for pair in cookies.items() for text in pair)


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        (b"42", "42"),
        (b"", None),
        ("é€😀".encode(), "é€😀"),
        ("a\u00a0b\u2028c".encode(), "a\u00a0b\u2028c"),
        (b"a\tb", "a\tb"),
        (b"\xff\xfe", None),
        (b"caf\xe9", None),
        (b"a\x00b", None),
        (b"a\nb", None),
        (b"a\x1bb", None),
        (b"\x7f", None),
        (b"x" * MAX_ID_SIZE, "x" * MAX_ID_SIZE),
        (b"x" * (MAX_ID_SIZE + 1), None),
        ("é".encode() * (MAX_ID_SIZE // 2 + 1), None),
    ],
)
def test_a_last_event_id_that_cannot_be_one_counts_as_absent(raw: bytes, known: str | None) -> None:
    assert request((b"last-event-id", raw)).last_event_id == known


def test_the_first_last_event_id_counts() -> None:
    assert request((b"last-event-id", b"1"), (b"last-event-id", b"2")).last_event_id == "1"


@given(st.binary(max_size=30))
def test_any_bytes_are_a_last_event_id_or_none(raw: bytes) -> None:
    known = request((b"last-event-id", raw)).last_event_id
    assert known is None or known.encode() == raw


# -- Accept


@pytest.mark.parametrize(
    ("accept", "leaves_room", "asks"),
    [
        (None, True, False),
        ("", True, False),
        (" , ,", True, False),
        ("*/*", True, False),
        ("text/*", True, False),
        ("text/event-stream", True, True),
        ("Text/Event-Stream", True, True),
        ("text/event-stream;charset=utf-8", True, True),
        (" text/event-stream ; q=0.1", True, True),
        ("application/json", False, False),
        ("application/json, text/event-stream", True, True),
        ("application/json,*/*;q=0.1", True, False),
        ("text/event-stream;q=0", False, False),
        ("text/event-stream;Q=0", False, False),
        ("text/event-stream; q=0.000, */*", False, False),
        ("*/*;q=0", False, False),
        ("text/*;q=0", False, False),
        ("text/*;q=0, */*", False, False),
        ("text/*, */*;q=0", True, False),
        ("text/*;q=0, text/event-stream", True, True),
        ("text/event-stream;q=junk", True, True),
        ("text/event-stream;q=nan", True, True),
        ("text/event-stream;q=-1", True, True),
        ("text/event-stream;q=", True, True),
        ("text/event-streams", False, False),
        ("application/event-stream", False, False),
        ("*", False, False),
        ("text", False, False),
        (";q=0", True, False),
        ("text/event-stream;q=.0", False, False),
        ("text/event-stream;q=0.", False, False),
        # not weights in ASCII digits
        ("text/event-stream;q=0_0", True, True),
        ("text/event-stream;q=\u0660", True, True),
        ("text/event-stream;q=0e1", True, True),
        ("text/event-stream;q=\xa00", True, True),
        # not blanks, and not ASCII letters
        ("\xa0text/event-stream", False, False),
        ("text/event-stream\x0b", False, False),
        ("te\u0445t/event-stream", False, False),
    ],
)
def test_accept(accept: str | None, leaves_room: bool, asks: bool) -> None:
    assert accepts_event_stream(accept) is leaves_room
    assert asks_for_event_stream(accept) is asks


@given(
    st.none()
    | st.text()
    | st.lists(st.sampled_from(["text/event-stream", "text/*", "*/*", ";q=", "0", "1", ",", "a/b"])).map("".join)
)
@example("q=0")
def test_a_client_that_asks_for_a_stream_accepts_one(accept: str | None) -> None:
    assert accepts_event_stream(accept) or not asks_for_event_stream(accept)


# -- Response


def test_text_is_plain_text_and_bytes_are_bytes() -> None:
    assert Response("é").header_pairs() == ((b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"2"))
    assert Response("é").body() == "é".encode()
    assert Response(b"\0").header_pairs() == ((b"content-type", b"application/octet-stream"), (b"content-length", b"1"))
    assert Response(b"\0").body() == b"\0"
    assert Response("<p>", media_type="text/html").header_pairs()[0] == (b"content-type", b"text/html")


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_content_has_no_content_headers(status: int) -> None:
    assert Response(status=status, headers={"ETag": "x"}).header_pairs() == ((b"etag", b"x"),)
    with pytest.raises(ValueError, match=f"a {status} response has no content"):
        Response("x", status=status)


def test_a_header_may_come_twice() -> None:
    response = Response(headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    assert response.header_pairs()[:2] == ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))


def test_headers_are_taken_once_even_from_an_iterator() -> None:
    response = Response(headers=iter([("A", "1")]))
    assert response.header_pairs() == response.header_pairs()
    assert response.header_pairs()[0] == (b"a", b"1")


def test_a_content_type_among_the_headers_is_not_said_twice() -> None:
    response = Response(
        "{}", media_type="text/css", headers={"Content-Type": "application/json", "content-length": "2"}
    )
    assert response.header_pairs() == ((b"content-type", b"application/json"), (b"content-length", b"2"))


def test_a_response_is_a_value() -> None:
    assert Response("a", headers={"A": "1"}) == Response("a", headers=[("a", "1")])
    assert len({Response("a"), Response("a"), Response("b")}) == 2
    assert repr(Response("a")) == "Response(content='a', status=200, media_type=None, headers=())"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Response("a").status = 500  # type: ignore[misc]


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"a": "x\r\nset-cookie: evil=1"}, "cannot be sent"),
        ({"a": "x\n"}, "cannot be sent"),
        ({"a\r\nb": "x"}, "cannot be sent"),
        ({"a": "\0"}, "cannot be sent"),
        ({"": "x"}, "cannot be sent"),
        ({"a": "€"}, "latin-1"),
    ],
)
def test_a_header_that_cannot_be_sent_is_an_error_where_it_is_made(headers: dict[str, str], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Response(headers=headers)


def test_content_that_cannot_be_sent_is_an_error_where_it_is_made() -> None:
    with pytest.raises(UnicodeEncodeError):
        Response("\ud800")


def test_content_that_is_neither_text_nor_bytes_becomes_json() -> None:
    made = Response({"a": 1}, status=201, headers={"location": "/a"})
    with pytest.raises(TypeError, match="content of type dict has yet to be encoded"):
        made.body()
    assert made.encoded(encode_json) == Response(
        b'{"a":1}', status=201, media_type="application/json", headers={"location": "/a"}
    )
    assert Response([], media_type="application/problem+json").encoded(encode_json).media_type == (
        "application/problem+json"
    )
    assert Response("text").encoded(encode_json) == Response("text")
    with pytest.raises(ValueError, match="a 204 response has no content"):
        Response({}, status=204)
    with pytest.raises(ValueError, match="a 205 response has no content"):
        Response(None, status=205)
    assert (b"content-length", b"0") in Response(status=205).header_pairs()


@pytest.mark.parametrize("status", [0, 100, 101, 199, 600])
def test_a_status_that_ends_no_response_is_an_error(status: int) -> None:
    with pytest.raises(ValueError, match="200 to 599"):
        Response(status=status)
