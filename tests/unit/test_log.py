"""The log: lasting troubles are said once, and nothing that is logged can stop a worker."""

from __future__ import annotations

import io
import json
from typing import Any, Literal

import pytest

from retraced.log import Log


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> Log:
    return Log(form="json", stream=stream)


def test_a_trouble_of_several_parts_is_said_once_and_is_over_when_it_is_for_all(
    log: Log, stream: io.StringIO
) -> None:
    for _ in range(3):
        log.once("redis", "away", part="fetch")
        log.once("redis", "away", part="settle")
    log.over("redis", "back", part="fetch")
    log.over("redis", "back", part="reclaim")
    assert [line["event"] for line in lines(stream)] == ["away"]
    log.over("redis", "back", part="settle")
    log.over("redis", "back", part="settle")
    assert [line["event"] for line in lines(stream)] == ["away", "back"]


def test_a_topic_that_says_something_else_is_heard(log: Log, stream: io.StringIO) -> None:
    log.once("a", "away")
    log.once("a", "denied")
    log.over("a", "back")
    assert [line["event"] for line in lines(stream)] == ["away", "denied", "back"]


def test_what_json_can_not_hold_is_logged_all_the_same(log: Log, stream: io.StringIO) -> None:
    log.error("odd", half="\ud800", huge=1 << 80)
    [line] = lines(stream)
    assert line["half"] == "\\ud800"
    assert line["huge"] == str(1 << 80)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_a_line_whatever_is_in_it(form: Literal["text", "json"]) -> None:
    stream = io.StringIO()
    Log(form=form, stream=stream).info("event", text='a\nb\x1b[0m "c" d=e')
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_a_log_that_nobody_reads_any_more_stops_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    Log(stream=stream).error("unheard")


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_long_line_goes_on_below_itself_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()
    log = Log(stream=terminal)
    command = "retraced resume emails --group mail"
    log.info("paused", stream="emails", why="the bank is down " * 5, what=f"until: {command}")
    first, *others = terminal.getvalue().splitlines()
    assert first[13:].startswith("INFO  paused stream=emails why=")
    assert all(len(line) <= 60 for line in (first, *others))
    assert all(line.startswith(" " * 13) and line[13] != " " for line in others)
    assert any(command in line for line in others), "a command stays whole"


def test_a_line_is_never_split_elsewhere(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    Log(stream=stream).info("paused", why="the bank is down " * 5)
    terminal = Terminal()
    Log(stream=terminal, form="json").info("paused", why="the bank is down " * 5)
    assert stream.getvalue().count("\n") == terminal.getvalue().count("\n") == 1


def test_a_word_that_is_too_long_for_the_terminal_stays_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    Log(stream=terminal).info("failed", at="x" * 100)
    assert "x" * 100 in terminal.getvalue()
