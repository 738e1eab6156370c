"""The way of a request and of an event through the library is short, and the page on the architecture shows it."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest
import trio

import trio_sse
from benchmarks import request_path
from trio_sse import CORS, App
from trio_sse.responses import ResponseHead

ROOT = Path(__file__).parent.parent
SOURCE = Path(trio_sse.__file__).parent
PAGE = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")


@pytest.fixture(scope="module")
def recorded() -> tuple[request_path.Calls, request_path.Calls]:
    return trio.run(request_path.record, App())


def test_a_request_passes_few_functions_and_files(recorded: tuple[request_path.Calls, request_path.Calls]) -> None:
    calls, _ = recorded
    files = [file for file, _ in calls]
    assert len(set(calls)) <= 50
    assert len(set(files)) <= 14
    assert sum(one != other for one, other in itertools.pairwise(files)) <= 30


def test_the_page_shows_the_way_of_a_request_and_of_an_event(
    recorded: tuple[request_path.Calls, request_path.Calls],
) -> None:
    request, event = recorded
    shown = re.search(r"<!-- request_path -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    wanted = f"{request_path.described('a request', request)}\n{request_path.described('an event', event)}\n"
    assert shown[1] == wanted, "put the output of benchmarks/request_path.py there"


def test_cors_headers_and_a_request_id_add_no_call_to_an_event(
    recorded: tuple[request_path.Calls, request_path.Calls],
) -> None:
    def identify(response: ResponseHead) -> None:
        response.headers["x-request-id"] = "7"

    app = App(cors=CORS(origins="https://page.example"), headers={"x-content-type-options": "nosniff"})
    request, event = trio.run(request_path.record, app, identify)
    assert ("_http/response_head.py", "ResponseHeaders.__setitem__") in request
    assert event == recorded[1]


def lengths() -> list[int]:
    """The lines of each function's body, without its docstring."""
    found = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                found.append((node.end_lineno or 0) - body[0].lineno + 1 if body else 0)
    return sorted(found)


def test_functions_are_short() -> None:
    assert (found := lengths())[len(found) * 95 // 100] < 20
