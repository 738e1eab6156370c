"""The media type of a response, as browsers determine it (WHATWG Fetch, "extract a MIME type")."""

from __future__ import annotations

import pytest

from trio_sse.client._media_type import media_type


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([""], None),
        (["text/html"], "text/html"),
        (["Text/HTML; Charset=utf-8"], "text/html"),
        ([" \t text/html \t;x"], "text/html"),
        (["text/html", "text/plain"], "text/plain"),
        (["text/html, text/plain"], "text/plain"),
        (["text/html,text/plain,"], "text/plain"),
        (["text/plain", "*/*"], "text/plain"),
        (["text/plain", "nonsense"], "text/plain"),
        (["text/plain", "text/"], "text/plain"),
        (["text/plain", "te xt/html"], "text/plain"),
        (["*/*"], None),
        (['text/plain; a=",text/html"'], "text/plain"),
        (['text/plain; a="\\",text/html"'], "text/plain"),
        (['text/plain; a=",text/html'], "text/plain"),
        (['text/plain; a="', "text/html"], "text/plain"),
        (['text/plain; a="\\'], "text/plain"),
        (['text/plain; a="b", text/html'], "text/html"),
        (["\xa0text/html"], None),
        (["text/html\xa0"], None),
        (["text/html\x00"], None),
    ],
)
def test_the_last_valid_type_counts(values: list[str], expected: str | None) -> None:
    found = media_type(value.encode("latin-1") for value in values)
    assert found == (None if expected is None else expected.encode())


@pytest.mark.parametrize("part", [b'"\\', b",", b'"a",', b"\\", b" ", b'"', b";", b"/", b"a/b,"])
def test_a_long_header_does_not_take_long(part: bytes) -> None:
    media_type([part * 100_000])
