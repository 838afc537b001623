"""`retraced pause` and `retraced resume`, and that a paused group looks paused everywhere."""

from __future__ import annotations

import asyncio

import pytest

from retraced.store.connection import Connector
from tests.commands import run
from tests.driver import Driver

pytestmark = pytest.mark.by_turns


@pytest.fixture
def paused(url: str, stream: str) -> str:
    """A stream whose group `mail` holds one job and is paused."""

    async def through() -> None:
        async with Connector(url).link() as link:
            driver = Driver(link, stream)
            await driver.join()
            await driver.add("a", "b")
            await driver.fetch()

    asyncio.run(through())
    assert run(url, "pause", stream, "--group", "mail", "--reason", "bad deploy").code == 0
    return stream


def test_a_pause_says_who_when_why_and_what_ends_it(url: str, paused: str) -> None:
    ran = run(url, "pause", paused, "--group", "mail", "--reason", "another")
    assert ran.code == 0
    [row] = ran.rows
    assert (row["paused"], row["changed"], row["held"]) == (True, False, 1)
    assert row["pause"]["why"] == "bad deploy"
    assert "@" in row["pause"]["by"]
    assert row["pause"]["since_at"].endswith("Z")
    assert "was paused already: nothing was changed" in ran.err
    assert f"retraced resume {paused} --group mail" in ran.err


def test_a_resume_ends_it(url: str, paused: str) -> None:
    ran = run(url, "resume", paused, "--group", "mail")
    [row] = ran.rows
    assert (ran.code, row["paused"], row["pause"], row["changed"]) == (0, False, None, True)
    again = run(url, "resume", paused, "--group", "mail")
    assert (again.code, again.rows[0]["changed"]) == (0, False)
    assert "isn't paused: nothing was changed" in again.err


def test_for_people_a_resume_says_what_it_ended_and_shows_no_empty_row(
    url: str, paused: str
) -> None:
    ran = run(url, "resume", paused, "--group", "mail", form="table")
    assert ran.out == ""
    assert f"resumed group mail of {paused}; it was paused since 2" in ran.err
    assert ": bad deploy" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("streams",),
        ("groups", "list", "{}"),
        ("groups", "show", "{}", "--group", "mail"),
        ("pending", "{}", "--group", "mail"),
        ("jobs", "list", "{}", "--group", "mail"),
        ("delayed", "list", "{}", "--group", "mail"),
        ("pause", "{}", "--group", "mail"),
    ],
)
def test_paused_looks_paused_everywhere(url: str, paused: str, words: tuple[str, ...]) -> None:
    ran = run(url, *(word.format(paused) for word in words), form="table")
    assert ran.code == 0
    assert "bad deploy" in ran.out + ran.err
    assert "paused" in ran.out + ran.err
    assert max(map(len, ran.out.splitlines()), default=0) <= 80


def test_what_is_said_of_a_pause_is_one_safe_line(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    run(url, "pause", stream, "--group", "mail", "--reason", "\x1b[2J\nbye")
    shown = run(url, "groups", "show", stream, "--group", "mail", form="table").out
    assert "\x1b" not in shown
    assert r"\x1b[2J\nbye" in shown


def test_pauses_are_in_the_events(url: str, paused: str) -> None:
    run(url, "resume", paused, "--group", "mail")
    rows = run(url, "events", paused, "--event", "paused", "--event", "resumed").rows
    assert [row["event"] for row in rows] == ["paused", "resumed"]
    assert rows[0]["why"] == "bad deploy"
    assert rows[0]["by"] == rows[1]["by"]


def test_a_group_that_isnt_there_is_exit_3(url: str, paused: str) -> None:
    ran = run(url, "pause", paused, "--group", "male")
    assert (ran.code, "Did you mean mail?" in ran.err) == (3, True)
    assert run(url, "resume", f"{paused}x", "--group", "mail").code == 3
