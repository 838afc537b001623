"""Chapter 2: what fails is tried again, and what can't succeed is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fundamentals.conftest import Shell


def dead(shell: Shell, stream: str) -> list[dict[str, Any]]:
    return shell.retraced("dlq", "list", stream, "--group", "staff")


def test_a_failed_attempt_is_followed_by_another(
    shell: Shell, xadd: Callable[..., str], stream: str
) -> None:
    xadd(type="shaky")
    shell.work(stream)
    assert shell.notes() == ["attempt 1", "attempt 2", "attempt 3"]


def test_a_job_without_attempts_left_is_a_dead_letter_and_the_drain_says_so(
    shell: Shell, xadd: Callable[..., str], stream: str
) -> None:
    job = xadd(type="hopeless")
    shell.work(stream, code=5)
    [letter] = dead(shell, stream)
    assert (letter["id"], letter["reason"], letter["attempts"]) == (job, "exhausted", 2)
    assert letter["error"].startswith("ValueError: no such account")


def test_a_handler_can_reject_ask_for_another_time_or_snooze(
    shell: Shell, xadd: Callable[..., str], stream: str
) -> None:
    xadd(type="forged")
    shell.work(stream, code=5)
    assert [letter["reason"] for letter in dead(shell, stream)] == ["rejected"]
    xadd(type="polite")
    shell.work(stream)
    xadd(type="night")
    shell.work(stream)
    assert shell.notes()[:2] == ["attempt 1", "attempt 2"]
    assert shell.notes()[2:] == ["attempt 1, delivery 1", "attempt 1, delivery 2"]


def test_an_attempt_that_takes_too_long_has_failed(
    shell: Shell, xadd: Callable[..., str], stream: str
) -> None:
    xadd(type="slow")
    shell.work(stream, code=5)
    assert dead(shell, stream)[0]["error"].startswith("timed out after 200ms")


def test_what_nobody_can_understand_is_buried_with_the_field_named(
    shell: Shell, xadd: Callable[..., str], stream: str
) -> None:
    xadd(type="greet", name="ada", delay="soon")
    xadd(type="greet", payload='{"nome": "ada"}')
    shell.work(stream, code=5)
    errors = sorted(letter["error"] for letter in dead(shell, stream))
    assert errors[0].startswith("delay: 'soon'")
    assert errors[1].startswith("payload.")
    assert shell.notes() == []


def test_a_person_puts_a_dead_letter_back(
    shell: Shell, xadd: Callable[..., str], stream: str
) -> None:
    job = xadd(type="hopeless")
    shell.work(stream, code=5)
    shell.retraced("dlq", "requeue", stream, job, "--group", "staff")
    assert dead(shell, stream) == []
    shell.work(stream, code=5)
    assert [letter["attempts"] for letter in dead(shell, stream)] == [2], "a fresh budget"
