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
