"""The server at `--sse-url` answers as the standards say; `servers.py` describes what it must serve."""

from __future__ import annotations

from functools import partial

import httpx
import pytest

from .servers import CHECKS, EXCHANGES, Check, Connect, Exchange


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def connect(request: pytest.FixtureRequest) -> Connect:
    url = str(request.config.getoption("--sse-url"))
    http2 = request.param == "HTTP/2"
    if http2 and not url.startswith("https:"):
        pytest.skip("HTTP/2 is negotiated over TLS, and the URL starts with http:")
    return partial(httpx.Client, base_url=url, http1=not http2, http2=http2)


@pytest.mark.parametrize("question", [*EXCHANGES, *CHECKS], ids=lambda question: question.name)
def test_a_server_answers_as_the_standards_say(question: Exchange | Check, connect: Connect) -> None:
    question.check(connect)
