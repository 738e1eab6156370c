"""The report of an error: its message first, then only what the reader can change."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import trio

from trio_sse._ground.failure_report import FailureReport
from trio_sse.errors import StepError


def reported(function: Callable[[], object]) -> str:
    """The report of what a function raises, with short file names and without the numbers of lines."""
    try:
        function()
    except BaseException as error:
        return re.sub(r'"[^"]*/([^"/]+)", line \d+', r"\1", str(FailureReport.of(error)))
    raise AssertionError("it has raised nothing")


def fail(message: str = "mine") -> None:
    raise ValueError(message)


HERE = "  File test_failure_report.py, in reported\n    function()\n"
IN_FAIL = "  File test_failure_report.py, in fail\n    raise ValueError(message)"


def test_the_message_comes_first() -> None:
    assert reported(fail) == f"ValueError: mine\n{HERE}{IN_FAIL}"


def test_further_lines_and_notes_come_before_the_frames() -> None:
    def failing() -> None:
        error = ValueError("one\ntwo")
        error.add_note("three\nfour")
        raise error

    lines = reported(failing).split("\n")
    assert lines[:5] == ["ValueError: one", "  two", "  three", "  four", "  File test_failure_report.py, in reported"]


def test_a_cause_is_told_after_it() -> None:
    def failing() -> None:
        try:
            fail("first")
        except ValueError as error:
            raise LookupError("second") from error

    head, _, cause = reported(failing).partition("\n  caused by ")
    assert head.startswith("LookupError: second\n")
    assert cause.startswith("ValueError: first\n    File test_failure_report.py, in failing\n")


def test_so_is_what_was_being_handled() -> None:
    def failing() -> None:
        try:
            fail("first")
        except ValueError:
            raise LookupError("second")  # noqa: B904 - that is what is tested

    assert "\n  while handling ValueError: first\n" in reported(failing)


def test_what_is_suppressed_is_not_told() -> None:
    def failing() -> None:
        try:
            fail("first")
        except ValueError:
            raise LookupError("second") from None

    assert "first" not in reported(failing)


def test_errors_that_cause_each_other_are_told_once() -> None:
    def failing() -> None:
        one, two = ValueError("one"), ValueError("two")
        one.__cause__, two.__cause__ = two, one
        raise one

    assert reported(failing).count("ValueError: ") == 2


async def in_a_nursery(*messages: str) -> None:
    async with trio.open_nursery() as nursery:
        for message in messages:
            nursery.start_soon(fail_later, message)


async def fail_later(message: str) -> None:
    fail(message)


def test_a_group_of_one_is_the_error_in_it() -> None:
    async def nested() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_a_nursery, "deep")

    text = reported(lambda: trio.run(nested))
    assert text.startswith("ValueError: deep\n")
    assert "Group" not in text
    assert re.findall("in (.+)", text) == ["reported", "<lambda>", "nested", "in_a_nursery", "fail_later", "fail"]


def test_the_notes_of_such_a_group_are_kept() -> None:
    def failing() -> None:
        group = ExceptionGroup("", [ValueError("mine")])
        group.add_note("of the group")
        raise group

    assert reported(failing).startswith("ValueError: mine\n  of the group\n")


def test_a_group_of_several_lists_them() -> None:
    text = reported(lambda: trio.run(in_a_nursery, "one", "two"))
    assert text.startswith("ExceptionGroup: Exceptions from Trio nursery (2 sub-exceptions)\n")
    assert len(re.findall(r"^  - ValueError: (one|two)$", text, re.MULTILINE)) == 2
    assert text.endswith("    File test_failure_report.py, in fail\n      raise ValueError(message)")


def test_the_place_of_a_syntax_error_is_told() -> None:
    text = reported(lambda: compile("async def f(:", "shop.py", "exec"))
    first, place, source, *_ = text.split("\n")
    assert first == "SyntaxError: invalid syntax"
    assert place == '  File "shop.py", line 1'
    assert source == "    async def f(:"


def test_an_error_of_the_librarys_own_needs_no_frames() -> None:
    assert str(FailureReport.of(StepError("do this"))) == "trio_sse.errors.StepError: do this"


def test_an_error_without_any_frame_of_the_app_shows_all_that_there_are() -> None:
    with pytest.raises(RuntimeError) as caught:
        trio.lowlevel.current_task()
    error = caught.value
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
    assert "trio/_core/_run.py" in str(FailureReport.of(error))


@pytest.mark.parametrize("notes", [None, 5, [5]], ids=repr)
def test_odd_notes_do_no_harm(notes: object) -> None:
    error = ValueError("mine")
    error.__notes__ = notes  # type: ignore[assignment]
    assert str(FailureReport.of(error)).startswith("ValueError: mine")
