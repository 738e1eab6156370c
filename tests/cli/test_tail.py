"""`trio-sse tail`: what it prints, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from client.scripted import HANG, Answer, Server, refusing, streaming
from trio_sse import ServerSentEvent
from trio_sse.cli import main
from trio_sse.cli import tail as _tail
from trio_sse.cli.tail import Options, as_json, as_text, run
from trio_sse.client import EventSource, Retry
from trio_sse.wire import Decoder

GONE = refusing(204)
NOON = datetime(2024, 2, 3, 12, 0, 1, 234567, tzinfo=UTC)


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "25")


def shown(text: str) -> str:
    """What a person sees of the event on a stream, without the time of day, which is local."""
    [event] = Decoder().feed(text.encode() + b"\n\n")
    time, found = as_text(event, NOON).split("  ", 1)
    assert re.fullmatch(r"\d\d:\d\d:01\.234", time)
    return found


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("data: hello", "message  hello"),
        ("event: tick\nid: 7\ndata: hello", "tick  #7  hello"),
        ("retry: 500\ndata:", "message  (retry 500 ms)"),
        ('data: {"a":1,"b":[1.0,1e400]}', 'message  {"a": 1, "b": [1.0, 1e400]}'),
        ("data: two\ndata: lines", "message\n    two\n    lines"),
        ("data: a\tb", "message  a\tb"),
        ("data: größe ✓", "message  größe ✓"),
    ],
)
def test_an_event_on_a_terminal(sent: str, expected: str) -> None:
    assert shown(sent) == expected


def test_what_does_not_fit_on_the_line_goes_below() -> None:
    room = 80 - len("12:00:01.234  x  ")
    assert shown("event: x\ndata: " + "y" * room) == "x  " + "y" * room
    assert shown("event: x\ndata: y" + "y" * room) == "x\n    y" + "y" * room
    assert shown('event: x\ndata: {"a":1,"b":"' + "y" * 80 + '"}') == (
        'x\n    {\n      "a": 1,\n      "b": "' + "y" * 80 + '"\n    }'
    )


@pytest.mark.parametrize("character", ["\x1b", "\x9b", "\x07", "\x7f", "\u202e", "\u2028"])
@pytest.mark.parametrize("field", ["data: {}", "event: {}\ndata: x", "id: {}\ndata: x", "data: {}\ndata: y"])
def test_a_stream_has_no_power_over_the_terminal(field: str, character: str) -> None:
    found = shown(field.format(f"a{character}[2J"))
    assert character not in found
    assert character.encode("unicode_escape").decode() in found


def test_an_event_for_a_program() -> None:
    line = as_json(ServerSentEvent("two\nlines ✓\x9b", "tick", "7", 500), NOON)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == {
        "event": "tick",
        "id": "7",
        "data": "two\nlines ✓\x9b",
        "retry": 500,
        "received": "2024-02-03T12:00:01.234567Z",
    }
    assert json.loads(as_json(ServerSentEvent("x"), NOON)) == {
        "event": "message",
        "id": None,
        "data": "x",
        "retry": None,
        "received": "2024-02-03T12:00:01.234567Z",
    }


# -- the command, against a script


@pytest.fixture
def tail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Server]]:
    """Run `trio-sse tail http://server/stream` with options and the server's answers."""

    def command(*arguments: str, answers: tuple[Answer | Exception, ...]) -> tuple[int, Server]:
        server, plain = Server(*answers), EventSource

        def source(url: str, **options: Any) -> EventSource:
            return plain(url, client=server.client(), **options)

        monkeypatch.setattr(_tail, "EventSource", source)
        monkeypatch.setattr(_tail, "Retry", partial(Retry, jitter=min))
        monkeypatch.setattr(trio, "run", partial(trio.run, clock=MockClock(autojump_threshold=0)))
        return main(["tail", "http://server/stream", *arguments]), server

    return command


def test_it_prints_events_and_beside_them_the_connections_news(
    tail: Callable[..., tuple[int, Server]], capsys: pytest.CaptureFixture[str]
) -> None:
    status, server = tail(answers=(streaming(b"retry: 0\nid: 1\ndata: a\n\n"), streaming(b"data: b\n\n"), GONE))
    found = capsys.readouterr()
    assert status == 0
    assert [line[14:] for line in found.out.splitlines()] == ["message  #1  (retry 0 ms)  a", "message  #1  b"]
    assert found.err.splitlines() == [
        "trio-sse: connected",
        "trio-sse: http://server/stream: the server ended the stream; trying again in 0.0 s",
        "trio-sse: connected",
        "trio-sse: http://server/stream: the server ended the stream; trying again in 0.0 s",
        "trio-sse: the stream has ended",
    ]
    assert server.ids() == [None, "1", "1"]


def test_its_options_reach_the_request(tail: Callable[..., tuple[int, Server]]) -> None:
    _, server = tail(
        *("-H", "Authorization: Bearer t", "--header", "X-Y:z", "--last-event-id", "7", "-d", "body", "-X", "PUT"),
        answers=(GONE,),
    )
    [request] = server.requests
    assert (request.method, request.content) == ("PUT", b"body")
    assert (request.headers["authorization"], request.headers["x-y"]) == ("Bearer t", "z")
    assert server.ids() == ["7"]


def test_json_is_one_object_a_line(tail: Callable[..., tuple[int, Server]], capsys: pytest.CaptureFixture[str]) -> None:
    tail("--json", "--count", "2", answers=(streaming(b"data: a\n\ndata: b\n\ndata: c\n\n", HANG),))
    assert [json.loads(line)["data"] for line in capsys.readouterr().out.splitlines()] == ["a", "b"]


def test_without_reconnecting_the_end_is_the_end(
    tail: Callable[..., tuple[int, Server]], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = tail("--no-reconnect", answers=(streaming(b"data: a\n\n"),))
    assert status == 0
    assert capsys.readouterr().err.splitlines() == ["trio-sse: connected", "trio-sse: the stream has ended"]


def test_silence_is_an_end_where_that_was_asked_for(
    tail: Callable[..., tuple[int, Server]], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = tail("--no-reconnect", "--read-timeout", "60", answers=(streaming(HANG),))
    assert status == 1
    assert "received nothing for 60 s" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [refusing(404), streaming(b"data:" + b"x" * 2_000_000, HANG)])
def test_a_failure_is_told_in_one_line(
    answer: Answer, tail: Callable[..., tuple[int, Server]], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = tail(answers=(answer,))
    assert status == 1
    assert capsys.readouterr().err.splitlines()[-1] in (
        "trio-sse: http://server/stream: the response has status 404 Not Found",
        "trio-sse: an event is larger than 1048576 bytes: raise --max-event-size if that is legitimate",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["http://server:port/"],
        ["http://server/", "--read-timeout", "-1"],
        ["http://server/", "-H", "a b: c"],
        ["http://server/", "--last-event-id", "a\nb"],
    ],
)
def test_options_that_make_no_sense_are_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tail", *arguments]) == 2
    assert capsys.readouterr().err.startswith("trio-sse: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--read-timeout", "-1"], "--read-timeout must be a number of seconds above 0, not -1.0"),
        (["--last-event-id", "a\nb"], "the --last-event-id 'a\\nb' cannot be sent in a header"),
        (["-H", "Last-Event-ID: 1"], "pass --last-event-id instead of the header Last-Event-ID"),
    ],
)
def test_an_error_names_the_commands_option(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tail", "http://server/", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"trio-sse: {message}")


def test_the_largest_event_is_an_option(
    tail: Callable[..., tuple[int, Server]], capsys: pytest.CaptureFixture[str]
) -> None:
    status, _ = tail("--max-event-size", "10", answers=(streaming(b"data: 12345678901\n\n"),))
    assert status == 1
    assert "an event is larger than 10 bytes: raise --max-event-size" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["-H", "nothing"], ["--count", "0"], ["--count", "x"], ["--read-timeout", "x"]])
def test_arguments_that_cannot_be_read_are_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["tail", "http://server/", *arguments])
    assert caught.value.code == 2


def test_an_interrupt_is_quiet(tail: Callable[..., tuple[int, Server]], capsys: pytest.CaptureFixture[str]) -> None:
    status, server = tail(answers=(streaming(b"data: a\n\n", KeyboardInterrupt()),))
    assert status == 130
    assert capsys.readouterr().err == "trio-sse: connected\n"
    assert server.open == 0


def test_run_needs_no_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Options(url="ftp://nowhere/", reconnect=False)) == 1
    assert "unsupported protocol" in capsys.readouterr().err
