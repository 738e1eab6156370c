"""Every parser reads the output of the encoder in the same way, however it is split."""

from __future__ import annotations

from typing import Any

import pytest

from trio_sse.errors import EventError
from trio_sse.wire import encode

from .encoder_cases import ENCODED, REFUSED, Encoded
from .parsers import Parser


@pytest.mark.parametrize("case", ENCODED, ids=lambda case: case.name)
def test_what_is_sent_arrives(parser: Parser, case: Encoded) -> None:
    parser.check(case.name, case.stream, case.expected)


@pytest.mark.parametrize(("event", "field"), REFUSED)
def test_what_could_not_arrive_is_refused(event: Any, field: str) -> None:
    with pytest.raises(EventError) as caught:
        encode(event)
    assert caught.value.field == field
