"""Acting on many jobs: counted first, agreed to, paced, interruptible, and told in a summary.

A command gives pages of candidates and the act for a few of them; everything else is here.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from retraced.cli.asked import Asked, Verb
from retraced.cli.bulkresult import (
    BY_LINE,
    SHOWN,
    BulkResult,
    Result,
    print_results,
    summary,
    would,
)
from retraced.cli.progress import Progress, counted
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.errors import NotFound, Refused, ScriptFailed, StoreError, Unavailable, WrongType
from retraced.keys import Keys
from retraced.store.writes import Ruling, Verdict

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.scripts import Call

_AT_ONCE = 5  # script calls in one pipeline: the server serves nobody else meanwhile
_PIECES_A_SECOND = 5
_AGAIN_AFTER_S = 0.5  # a connection was lost
_TWICE = "asked twice, as the connection was lost: perhaps done at the first time"


class Candidate(Protocol):
    """What pages are made of: anything that knows its job's id."""

    @property
    def job(self) -> bytes: ...


C = TypeVar("C", bound=Candidate)
Act = Callable[[Sequence[C]], Awaitable[Sequence[Result]]]
# The options with which a command looks only at what comes behind a job (None: at all that it did).
Behind = Callable[[bytes | None], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Named:
    """A job that was named on the command line."""

    job: bytes


@dataclass(frozen=True, slots=True)
class Each:
    """An act that is one script for each job of a group: `write(keys, job, by=by)`.

    `probed`: a connection that is lost already should be found before, as nothing is asked twice.
    """

    link: Link
    keys: Keys
    write: Callable[..., Call[Verdict]]
    by: str
    probed: bool = False

    async def __call__(self, jobs: Sequence[Candidate]) -> list[Result]:
        """One call for each, in one pipeline."""
        if self.probed:
            await self.link.call("PING")
        calls = [(each.job, self.write(self.keys, each.job, by=self.by)) for each in jobs]
        return await rule(self.link, calls)


async def named(jobs: Sequence[bytes]) -> AsyncIterator[Sequence[Named]]:
    """The jobs that were named, as one page."""
    yield [Named(job) for job in jobs]


async def act_on(
    pages: AsyncIterator[Sequence[C]],
    act: Act[C],
    *,
    session: Session,
    asked: Asked,
    verb: Verb,
    total: int | None = None,
    exact: bool = False,
    behind: Behind | None = None,
    again: Callable[[], AsyncIterator[Sequence[C]]] | None = None,
) -> BulkResult:
    """Acts on what the pages hold, a few at a time; `report` tells the result afterwards.

    `pages` hold what matches the filter already, and may be empty. `total`: how many there are to
    look through; `exact`: to count them all must be looked at, not each of them would be acted on.
    `behind`: where a second run would act again on what the first one did, and can begin later.
    `again`: gives the pages once more, so that what matches a FILTER is counted first.
    Without agreement nothing is done: a dry run counts, else Refused has the count.
    """
    if not asked.agreed:
        return await _count(pages, asked=asked, verb=verb, total=total, exact=exact)
    quiet, known = bool(asked.ids) or _on_terminal(session), _limited(total, asked)
    if asked.filter:
        known = await counted(again(), most=asked.limit) if again and not quiet else None
    progress = Progress(verb.done, total=known, quiet=quiet)
    going_on = _GoingOn(asked, verb, behind)
    pace, found = _Pace(asked.rate_per_s), BulkResult(of=total)
    work = _Work(act, session, asked, verb, pace, progress, found, going_on)
    await work.through(pages)
    return found


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


@dataclass(slots=True)
class _GoingOn:
    """The command that does what is left. `last`: the job that was acted on last."""

    asked: Asked
    verb: Verb
    behind: Behind | None
    last: bytes | None = None

    def told(self, found: BulkResult) -> str:
        """The command, under what is to be known of it; empty when nothing is left."""
        asked, options = self.asked, dict[str, str]()
        acted = {result.job for result in found.results}
        if asked.limit is not None:
            options["--limit"] = str(asked.limit - found.jobs)
        if options.get("--limit") == "0" or (asked.ids and acted.issuperset(asked.ids)):
            return ""
        if self.behind is not None and not asked.ids:
            options |= self.behind(self.last)
        repeated = self.verb.repeated if not (asked.ids or self.behind) else ""
        note = f" ({repeated})" if repeated else ""
        return f" This does the rest{note}:\n  {asked.line.without(acted).having(options)}"

    def further(self, found: BulkResult) -> str:
        """Where the limit ended it and the same command would act on the same jobs: the next one.

        Empty else.
        """
        limit = self.asked.limit
        if self.behind is None or self.asked.ids or limit is None or found.jobs < limit:
            return ""
        return f"those behind them:\n  {self.asked.line.having(self.behind(self.last))}"


@dataclass(frozen=True, slots=True)
class _Work(Generic[C]):
    """Acts on page after page, until they end, the limit is reached, or somebody stops it."""

    act: Act[C]
    session: Session
    asked: Asked
    verb: Verb
    pace: _Pace
    progress: Progress
    found: BulkResult
    going_on: _GoingOn

    async def through(self, pages: AsyncIterator[Sequence[C]]) -> None:
        try:
            async for page in pages:
                await self._page(page)
                if self._left() <= 0:
                    break
        except (asyncio.CancelledError, Exception) as error:
            self.progress.close()
            note(self._stopped(unsure=isinstance(error, StoreError)))
            raise
        self.progress.close()
        if further := self.going_on.further(self.found):
            note(further)

    async def _page(self, page: Sequence[C]) -> None:
        wanted = page[: self._left()]
        for start in range(0, len(wanted), self.pace.piece):
            piece = wanted[start : start + self.pace.piece]
            await self.pace.turn(len(piece))
            results, cancelled = await _whole(self._asked(piece))
            self.found.take(len(piece), results, keep=bool(self.asked.ids))
            self.going_on.last = piece[-1].job
            print_results(self.session, results, self.verb)
            self.progress.add(len(piece))
            if cancelled:
                raise asyncio.CancelledError

    async def _asked(self, piece: Sequence[C]) -> Sequence[Result]:
        """What came of a piece; asked once more where that does nothing twice."""
        try:
            return await self.act(piece)
        except Unavailable:
            if self.going_on.behind is not None:  # what was done would be done again
                raise
        await asyncio.sleep(_AGAIN_AFTER_S)
        return [_told_twice(result) for result in await self.act(piece)]

    def _left(self) -> int:
        limit = self.asked.limit
        return sys.maxsize if limit is None else limit - self.found.jobs

    def _stopped(self, *, unsure: bool) -> str:
        more = ", and perhaps a few whose answer was lost" if unsure else ""
        told = f"stopped: {summary(self.found, self.verb)}{more}."
        return told + self.going_on.told(self.found)


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


def _told_twice(result: Result) -> Result:
    if result.ruling not in (Ruling.REFUSED, Ruling.MISSING):
        return result
    return replace(result, why=f"{result.why} ({_TWICE})")


async def _whole(work: Awaitable[Sequence[Result]]) -> tuple[Sequence[Result], bool]:
    """The results, and whether Ctrl-C came meanwhile: what was sent is waited for and counted."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task), False
    except asyncio.CancelledError:
        return await task, True


async def _count(
    pages: AsyncIterator[Sequence[C]], *, asked: Asked, verb: Verb, total: int | None, exact: bool
) -> BulkResult:
    """Counts what would be acted on. Raises Refused unless only that was asked for."""
    found, count = BulkResult(of=total), 0
    async for page in pages:
        found.examples += [each.job for each in page[: SHOWN - len(found.examples)]]
        count += len(page)
        if asked.limit is not None and count >= asked.limit:
            break
        if total is not None and asked.every and not (asked.filter or exact) and count:
            count = total
            break
    found.would = count if asked.limit is None else min(count, asked.limit)
    found.examples = found.examples[: found.would]
    if not asked.dry_run and found.would:
        raise Refused(f"{would(found, verb)}; say --yes, or --dry-run to only count")
    if not asked.dry_run and asked.ids:
        raise NotFound(f"none of the jobs that were named is a {verb.noun}")
    return found


def _limited(total: int | None, asked: Asked) -> int | None:
    if total is None or asked.limit is None:
        return total
    return min(total, asked.limit)


def _on_terminal(session: Session) -> bool:
    return session.form in BY_LINE and sys.stdout.isatty()
