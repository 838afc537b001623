"""Chapter 3: jobs that wait, several groups on one stream, and the story of every job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fundamentals.conftest import Shell


def test_a_delayed_job_is_never_early(shell: Shell, xadd: Callable[..., str], stream: str) -> None:
    job = xadd(type="greet", name="ada", delay="700ms")
    shell.work(stream)
    [story] = shell.retraced("trace", stream, job)
    done = story["events"][-1]
    assert done["event"] == "completed"
    assert done["at_ms"] - int(job.partition("-")[0]) >= 700


def test_a_job_that_comes_too_late_is_not_begun(
    shell: Shell, xadd: Callable[..., str], stream: str
) -> None:
    xadd(type="greet", name="ada", delay="300ms", expires="100ms")
    shell.work(stream, code=5)
    [letter] = shell.retraced("dlq", "list", stream, "--group", "staff")
    assert letter["reason"] == "expired"
    assert shell.notes() == []


def test_each_group_gets_every_job_and_the_last_one_removes_it(
    shell: Shell, xadd: Callable[..., str], stream: str, raw: Any
) -> None:
    for group in ("staff", "audit"):
        shell.retraced("groups", "create", stream, "--group", group)
    xadd(type="hopeless")
    shell.work(stream, code=5)
    assert raw.xlen(stream) == 1, "audit still needs it"
    shell.work(stream, "--exec", "cat", group="audit")
    assert raw.xlen(stream) == 0
    dead = {
        group: len(shell.retraced("dlq", "list", stream, "--group", group))
        for group in ("staff", "audit")
    }
    assert dead == {"staff": 1, "audit": 0}, "one group's failure is not the other's"


def test_every_job_can_tell_its_story(shell: Shell, xadd: Callable[..., str], stream: str) -> None:
    job = xadd(type="shaky")
    shell.work(stream)
    [story] = shell.retraced("trace", stream, job)
    assert story["state"] == "done"
    names = [event["event"] for event in story["events"]]
    assert names == ["failed", "failed", "promoted", "completed"]
    assert story["events"][0]["error"] == "ConnectionError: the bank's line is busy"
    assert "attempts 1 and 2 failed" in story["why_more_than_once"]
