"""Each parser reads each stream as the standard says, however it is split, except for its known differences."""

from __future__ import annotations

import pytest

from .encoder_cases import ENCODED
from .parser_cases import CASES
from .parsers import PARSERS, Parser
from .parsing import Case, Parsed, chunkings, disagreement, message


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stream_is_read_as_the_standard_says(parser: Parser, case: Case) -> None:
    parser.check(case.name, case.stream, case.expected, case.clause)


def test_no_two_cases_have_one_name() -> None:
    names = [case.name for case in CASES] + [case.name for case in ENCODED]
    assert len(set(names)) == len(names)


def test_differences_are_those_of_cases(parser: Parser) -> None:
    assert set(parser.differences) <= {case.name for case in CASES} | {case.name for case in ENCODED}


@pytest.mark.parametrize("name", ["trio_sse.wire.Decoder", "trio_sse.client"])
def test_ours_have_no_differences(name: str) -> None:
    assert not PARSERS[name].differences


# -- the comparison itself


def test_a_stream_is_cut_after_each_byte_and_at_every_place() -> None:
    assert list(chunkings(b"abc")) == [(b"abc",), (b"a", b"b", b"c"), (b"a", b"bc"), (b"ab", b"c")]
    assert all(b"".join(chunks) == b"x" * 1000 for chunks in chunkings(b"x" * 1000))


@pytest.mark.parametrize(
    ("parse", "words"),
    [
        (lambda chunks: Parsed([message("b")]), "instead of"),
        (lambda chunks: Parsed([message("a")] * len(chunks)), "single bytes"),
        (lambda chunks: Parsed([message("a")], retry=0), "retry=0"),
        (lambda chunks: Parsed([message("a")], last_event_id="1"), "last_event_id='1'"),
        (lambda chunks: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_disagreement_is_told(parse: object, words: str) -> None:
    found = disagreement(parse, b"data: a\n\n", Parsed([message("a")]))  # type: ignore[arg-type]
    assert found is not None and words in found


def test_a_difference_that_is_gone_is_told() -> None:
    parser = Parser(lambda chunks: Parsed(()), {"old": "why"})
    assert parser.verdict("old", "differs") is None
    assert parser.verdict("old", None) == "it no longer differs in 'old' (why): remove this from the table"
    assert parser.verdict("new", "differs") == "differs"
