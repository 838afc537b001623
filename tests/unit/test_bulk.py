"""Bulk work that ends before its time, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from retraced.cli.asked import Asked, Verb
from retraced.cli.bulk import Named, act_on
from retraced.cli.bulkresult import Result
from retraced.cli.commandline import CommandLine
from retraced.cli.output import Format
from retraced.cli.session import Session
from retraced.errors import Unavailable
from retraced.filter import Filter
from retraced.store.writes import Ruling
from tests.terminal import shows, terminal

VERB = Verb("cancel", "cancelled")
LINE = CommandLine((("jobs",), ("cancel",), ("mails",), ("--all",), ("--yes",)))
ALL = Asked("me", (), Filter.parse([]), True, False, True, None, None, LINE)


async def two_pages(error: Exception | None = None) -> AsyncIterator[Sequence[Named]]:
    yield [Named(b"%d-0" % number) for number in range(7)]
    if error is not None:
        raise error
    yield [Named(b"9-0")]


async def done(jobs: Sequence[Named]) -> list[Result]:
    return [Result(each.job, Ruling.OK, "") for each in jobs]


def test_any_error_is_told_with_what_was_done_and_the_command_for_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    work = act_on(
        two_pages(ValueError("a bug")), done, session=Session(format=Format.JSON), asked=ALL,
        verb=VERB,
    )  # fmt: skip
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(work)
    said = capsys.readouterr().err
    assert "stopped: cancelled 7 jobs." in said
    assert "  retraced jobs cancel mails --all --yes" in said


class Losing:
    """Loses the connection at its first call, when the first of the jobs is done."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, jobs: Sequence[Named]) -> list[Result]:
        self.calls += 1
        if self.calls == 1:
            raise Unavailable("can't reach it")
        first = Result(jobs[0].job, Ruling.MISSING, "no dead letter")
        return [first, *await done(jobs[1:])] if self.calls == 2 else await done(jobs)


def test_a_lost_answer_is_asked_for_once_more_and_that_is_told() -> None:
    act = Losing()
    session = Session(format=Format.JSON)
    found = asyncio.run(act_on(two_pages(), act, session=session, asked=ALL, verb=VERB))
    assert (found.jobs, found.counts[Ruling.OK]) == (8, 7)
    assert "perhaps done at the first time" in found.not_done[0].why


def test_what_would_be_done_twice_isnt_asked_again(capsys: pytest.CaptureFixture[str]) -> None:
    act = Losing()
    session = Session(format=Format.JSON)
    work = act_on(
        two_pages(), act, session=session, asked=ALL, verb=VERB, behind=lambda _: {"--from": "3-0"}
    )
    with pytest.raises(Unavailable):
        asyncio.run(work)
    assert act.calls == 1
    assert "--from 3-0" in capsys.readouterr().err


def test_what_matches_a_filter_is_counted_before_so_that_a_bar_has_an_end() -> None:
    some = replace(ALL, filter=Filter.parse(["type=mail"]), every=False)
    for asked, shown in ((some, "8/8"), (replace(some, limit=5), "5/5")):
        with terminal() as screen:
            work = act_on(
                two_pages(), done, session=Session(format=Format.JSON), asked=asked, verb=VERB,
                again=two_pages,
            )  # fmt: skip
            asyncio.run(work)
            assert shows(screen, shown)
