"""The headers of a response: their checks, and how those of several places become one list."""

from __future__ import annotations

from typing import Any

import pytest

from trio_sse._http.response_head import ResponseHead
from trio_sse._http.response_headers import RawHeaders, merged, without_representation
from trio_sse.errors import ResponseStarted


@pytest.mark.parametrize(
    ("weak", "strong", "both"),
    [
        ((), (), ()),
        (((b"a", b"1"),), (), ((b"a", b"1"),)),
        ((), ((b"a", b"1"),), ((b"a", b"1"),)),
        (((b"a", b"1"), (b"b", b"2")), ((b"a", b"3"),), ((b"b", b"2"), (b"a", b"3"))),
        (((b"a", b"1"),), ((b"a", b"2"), (b"a", b"3")), ((b"a", b"2"), (b"a", b"3"))),
        (
            ((b"set-cookie", b"a=1"),),
            ((b"set-cookie", b"b=2"),),
            ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")),
        ),
        (((b"vary", b"Origin"),), ((b"vary", b"Accept"),), ((b"vary", b"Origin, Accept"),)),
        (((b"vary", b"Origin, Accept"),), ((b"vary", b"Accept"),), ((b"vary", b"Origin, Accept"),)),
        (((b"vary", b"Origin"),), ((b"a", b"1"),), ((b"vary", b"Origin"), (b"a", b"1"))),
        ((), ((b"vary", b"Accept"),), ((b"vary", b"Accept"),)),
    ],
)
def test_headers_of_two_places(weak: RawHeaders, strong: RawHeaders, both: RawHeaders) -> None:
    assert merged(weak, strong) == both


def test_what_describes_the_content_can_be_left_out() -> None:
    headers = (
        (b"cache-control", b"max-age=60"),
        (b"x-frame-options", b"DENY"),
        (b"etag", b'"1"'),
        (b"vary", b"Origin"),
    )
    assert without_representation(headers) == ((b"x-frame-options", b"DENY"), (b"vary", b"Origin"))


def test_headers_are_a_mapping_that_ignores_case() -> None:
    headers = ResponseHead().headers
    headers["X-Request-ID"] = "1"
    headers["x-request-id"] = "2"
    headers.append("Link", "</a>")
    headers.append("link", "</b>")
    assert headers["X-REQUEST-ID"] == "2"
    assert headers["link"] == "</a>"
    assert list(headers) == ["x-request-id", "link"]
    assert len(headers) == 2
    assert headers.setdefault("x-other", "3") == "3"
    del headers["X-Other"]
    assert "x-other" not in headers
    assert headers.freeze() == ((b"x-request-id", b"2"), (b"link", b"</a>"), (b"link", b"</b>"))
    with pytest.raises(KeyError):
        del headers["x-other"]


def test_cookies_and_the_status_of_a_response_to_come() -> None:
    head = ResponseHead()
    assert head.status is None
    head.status = 201
    head.set_cookie("a", "b")
    head.delete_cookie("c")
    assert [name for name, _ in head.freeze()] == [b"set-cookie", b"set-cookie"]
    assert head.status == 201
    assert "a=b" not in repr(head.headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x", "1\r\ny: 2"), ("x\n", "1"), ("", "1"), ("x", "\0"), ("content-length", "3"), ("Connection", "close")],
)
def test_a_header_that_cannot_be_sent_is_an_error_at_once(name: str, value: str) -> None:
    headers = ResponseHead().headers
    with pytest.raises(ValueError, match=r"cannot be sent|sets the header"):
        headers[name] = value
    assert not headers


def test_text_that_a_header_cannot_have_is_an_error_at_once() -> None:
    with pytest.raises(UnicodeEncodeError):
        ResponseHead().headers["x"] = "→"


@pytest.mark.parametrize("status", [100, 199, 300, 404, 0])
def test_a_status_to_come_is_that_of_a_success(status: int) -> None:
    with pytest.raises(ValueError, match="raise an HTTPError"):
        ResponseHead().status = status


def set_status(head: ResponseHead) -> None:
    head.status = 201


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.headers.update(a="2"),
        lambda head: head.headers.append("a", "2"),
        lambda head: head.headers.pop("a"),
        lambda head: head.headers.clear(),
        lambda head: head.set_cookie("a", "b"),
        lambda head: head.delete_cookie("a"),
        set_status,
    ],
)
def test_after_the_start_each_change_is_an_error(change: Any) -> None:
    head = ResponseHead()
    head.headers["a"] = "1"
    head.freeze()
    with pytest.raises(ResponseStarted, match="too late: the response has started"):
        change(head)
    assert dict(head.headers) == {"a": "1"}
    assert head.status is None
