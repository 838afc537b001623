"""Acting on many jobs: counted first, agreed to, paced, interruptible, and told in a summary.

A command gives pages of candidates and the act for a few of them; everything else is here.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import click

from retraced.cli.asked import Asked, Verb, bulk_options, split_words
from retraced.cli.outcome import SHOWN, Outcome, Result, form_of, report, stream, summary, would
from retraced.cli.output import Format
from retraced.cli.progress import Progress
from retraced.cli.session import Session
from retraced.errors import Refused, ScriptFailed, StoreError, WrongType
from retraced.store.writes import Ruling, Verdict

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.scripts import Call

__all__ = [
    "Asked",
    "Outcome",
    "Result",
    "Verb",
    "act_on",
    "bulk_options",
    "report",
    "rule",
    "split_words",
]

_AT_ONCE = 5  # script calls in one pipeline: the server serves nobody else meanwhile
_PIECES_A_SECOND = 5


class Candidate(Protocol):
    """What pages are made of: anything that knows its job's id."""

    @property
    def job(self) -> bytes: ...


C = TypeVar("C", bound=Candidate)


async def act_on(
    pages: AsyncIterator[Sequence[C]],
    act: Callable[[Sequence[C]], Awaitable[Sequence[Result]]],
    *,
    session: Session,
    asked: Asked,
    verb: Verb,
    total: int | None = None,
) -> Outcome:
    """Acts on what the pages hold, a few at a time; `report` tells the outcome afterwards.

    `pages` hold what matches the filter already, and may be empty. `total`: how many there are to
    look through. Without agreement nothing is done: a dry run counts, else Refused has the count.
    """
    if not asked.agreed:
        return await _count(pages, asked=asked, verb=verb, total=total)
    known = None if asked.filter or asked.ids else _limited(total, asked)
    progress = Progress(verb.done, total=known, quiet=bool(asked.ids) or _on_terminal(session))
    work = _Work(act, session, asked, verb, _Pace(asked.rate_per_s), progress, Outcome(of=total))
    await work.through(pages)
    return work.outcome


async def rule(link: Link, calls: Sequence[tuple[bytes, Call[Verdict]]]) -> list[Result]:
    """Runs one script for each job, in one pipeline. One that fails is refused, with its error."""
    answers = await link.run_all([call for _, call in calls])
    results: list[Result] = []
    for (job, _), answer in zip(calls, answers, strict=True):
        if isinstance(answer, Verdict):
            results.append(Result(job, answer.ruling, answer.reason))
        elif isinstance(answer, WrongType | ScriptFailed):
            results.append(Result(job, Ruling.REFUSED, str(answer)))
        else:
            raise answer
    return results


@dataclass(frozen=True, slots=True)
class _Work(Generic[C]):
    """Acts on page after page, until they end, the limit is reached, or somebody stops it."""

    act: Callable[[Sequence[C]], Awaitable[Sequence[Result]]]
    session: Session
    asked: Asked
    verb: Verb
    pace: _Pace
    progress: Progress
    outcome: Outcome

    async def through(self, pages: AsyncIterator[Sequence[C]]) -> None:
        try:
            async for page in pages:
                await self._page(page)
                if self._left() <= 0:
                    break
        except (asyncio.CancelledError, StoreError) as error:
            self.progress.close()
            click.echo(self._stopped(unsure=isinstance(error, StoreError)), err=True)
            raise
        self.progress.close()

    async def _page(self, page: Sequence[C]) -> None:
        wanted = page[: self._left()]
        for start in range(0, len(wanted), self.pace.piece):
            piece = wanted[start : start + self.pace.piece]
            await self.pace.turn(len(piece))
            results, cancelled = await _whole(self.act(piece))
            self.outcome.take(len(piece), results, keep=bool(self.asked.ids))
            stream(self.session, results, self.verb)
            self.progress.add(len(piece))
            if cancelled:
                raise asyncio.CancelledError

    def _left(self) -> int:
        limit = self.asked.limit
        return sys.maxsize if limit is None else limit - self.outcome.jobs

    def _stopped(self, *, unsure: bool) -> str:
        more = ", and perhaps a few whose answer was lost" if unsure else ""
        told = f"stopped: {summary(self.outcome, self.verb)}{more}."
        return f"{told} This does the rest:\n  {self.asked.again}"


class _Pace:
    """Keeps to a rate. Each piece pays for itself: time lost in a stall isn't made up for."""

    def __init__(self, rate_per_s: float | None) -> None:
        self._rate = rate_per_s
        self._next_s = 0.0

    @property
    def piece(self) -> int:
        """How many at once: less than the pipeline where that would be a burst."""
        if self._rate is None:
            return _AT_ONCE
        return min(max(math.floor(self._rate / _PIECES_A_SECOND), 1), _AT_ONCE)

    async def turn(self, count: int) -> None:
        """Waits until so many more may be acted on."""
        if self._rate is None:
            return
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(self._next_s - loop.time(), 0))
        self._next_s = loop.time() + count / self._rate


async def _whole(work: Awaitable[Sequence[Result]]) -> tuple[Sequence[Result], bool]:
    """The results, and whether Ctrl-C came meanwhile: what was sent is waited for and counted."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task), False
    except asyncio.CancelledError:
        return await task, True


async def _count(
    pages: AsyncIterator[Sequence[C]], *, asked: Asked, verb: Verb, total: int | None
) -> Outcome:
    """Counts what would be acted on. Raises Refused unless only that was asked for."""
    outcome, count = Outcome(of=total), 0
    async for page in pages:
        outcome.examples += [each.job for each in page[: SHOWN - len(outcome.examples)]]
        count += len(page)
        if asked.limit is not None and count >= asked.limit:
            break
        if total is not None and asked.every and not asked.filter and count:
            count = total
            break
    outcome.would = count if asked.limit is None else min(count, asked.limit)
    outcome.examples = outcome.examples[: outcome.would]
    if not asked.dry_run and outcome.would:
        raise Refused(f"{would(outcome, verb)}; say --yes, or --dry-run to only count")
    return outcome


def _limited(total: int | None, asked: Asked) -> int | None:
    if total is None or asked.limit is None:
        return total
    return min(total, asked.limit)


def _on_terminal(session: Session) -> bool:
    return form_of(session) in (Format.JSONL, Format.ID) and sys.stdout.isatty()
