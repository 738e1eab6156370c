"""Limits: which settings an app may be given."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trio_sse import Limits
from trio_sse.errors import BuildError

WHOLE = "is a whole number above 0, or None for no limit, not"


@pytest.mark.parametrize("name", ["streams", "streams_per_client", "header_bytes", "query_bytes"])
@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "5", math.inf, [1]])
def test_a_count_is_a_whole_number_above_0(name: str, wrong: Any) -> None:
    with pytest.raises(BuildError) as raised:
        Limits(**{name: wrong})
    assert str(raised.value) == f"Limits({name}=…) {WHOLE} {wrong!r}"


@pytest.mark.parametrize("wrong", [0, -0.5, True, "5", math.inf, math.nan])
def test_a_rate_is_a_number_above_0(wrong: Any) -> None:
    with pytest.raises(BuildError) as raised:
        Limits(streams_per_second=wrong)
    expected = f"Limits(streams_per_second=…) is a number above 0, or None for no limit, not {wrong!r}"
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("hosts", "example.org", "takes several texts, such as ('example.org',), not 'example.org'"),
        ("hosts", 5, "takes several texts, such as ('example.org',), not 5"),
        ("hosts", b"example.org", "takes several texts, such as ('example.org',), not b'example.org'"),
        ("hosts", [5], "takes texts, such as 'example.org', not 5"),
        ("origins", "https://a", "takes several texts, such as ('https://example.org',), not 'https://a'"),
        ("origins", [None], "takes texts, such as 'https://example.org', not None"),
        ("trusted_proxies", "10.0.0.1", "takes several texts, such as ('10.0.0.0/8',), not '10.0.0.1'"),
        ("trusted_proxies", None, "takes several texts, such as ('10.0.0.0/8',), not None"),
        ("trusted_proxies", [167772161], "takes texts, such as '10.0.0.0/8', not 167772161"),
        (
            "trusted_proxies",
            ["10.0.0.1/8"],
            "takes addresses and networks, such as '10.0.0.0/8', and 'unix:': 10.0.0.1/8 has host bits set",
        ),
        (
            "trusted_proxies",
            ["a"],
            (
                "takes addresses and networks, such as '10.0.0.0/8', and 'unix:': "
                "'a' does not appear to be an IPv4 or IPv6 network"
            ),
        ),
    ],
)
def test_lists_are_of_texts(name: str, wrong: Any, message: str) -> None:
    with pytest.raises(BuildError) as raised:
        Limits(**{name: wrong})
    assert str(raised.value) == f"Limits({name}=…) {message}"


@pytest.mark.parametrize(
    "wrong",
    ["", "*", "*.", "a.*.b", "**.a", "https://a.example", "a.example/path", "a b", "a,b", "::1", "a:b", "é.example"],
)
def test_a_host_is_a_name(wrong: str) -> None:
    with pytest.raises(BuildError) as raised:
        Limits(hosts=("example.org", wrong))
    expected = f"Limits(hosts=…) takes names such as 'example.org', '*.example.org', '[::1]:80', not {wrong!r}"
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "*",
        "null",
        "a.example",
        "//a",
        "https://",
        "https://a/",
        "https://a?b",
        "https://*.a",
        "https://u@a",
        "a://b:c",
    ],
)
def test_an_origin_is_a_scheme_and_a_host(wrong: str) -> None:
    with pytest.raises(BuildError) as raised:
        Limits(origins=("https://example.org", wrong))
    assert str(raised.value) == f"Limits(origins=…) takes origins such as 'https://example.org', not {wrong!r}"


def test_lists_may_be_any_iterable_and_are_kept_in_lower_case() -> None:
    limits = Limits(hosts=["Example.ORG"], origins=iter(["HTTPS://Example.ORG", "http://a:80"]))
    assert limits.hosts == ("example.org",)
    assert limits.origins == ("https://example.org", "http://a")
    assert limits == Limits(hosts=("example.org",), origins=("https://example.org", "http://a"))
    assert hash(limits) == hash(Limits(hosts=("example.org",), origins=("https://example.org", "http://a")))


def test_a_limit_of_each_kind_may_be_lifted() -> None:
    limits = Limits(streams=None, streams_per_client=None, streams_per_second=None, header_bytes=None, query_bytes=None)
    assert limits != Limits()
    assert Limits(streams_per_second=0.5).streams_per_second == 0.5
