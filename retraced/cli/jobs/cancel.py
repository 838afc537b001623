"""`retraced jobs cancel`: in one group or in all of a stream, and what happens to each job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

import click

from retraced.cli.asked import Asked, Verb, bulk_json, bulk_options
from retraced.cli.bulk import act_on, rule
from retraced.cli.bulkresult import BulkResult, Result, report
from retraced.cli.lookup import groups_meant
from retraced.cli.options import group_option
from retraced.cli.prose import note
from retraced.cli.remedy import where
from retraced.cli.session import Session
from retraced.cli.words import plural
from retraced.keys import Keys
from retraced.store import writes
from retraced.store.connection import Link
from retraced.store.reads.groups import StreamFacts
from retraced.store.reads.held import Activity
from retraced.store.reads.jobs import BY_FLOW, Place, matching
from retraced.store.reads.story import story
from retraced.store.writes import Ruling

_VERB = Verb("cancel", "cancelled", requests=True)
_HELD = (Place.HELD, Place.HELD_AGAIN)
_AGREED = (Ruling.OK, Ruling.REQUESTED, Ruling.UNSURE)
_QUEUED = "in the queue: ends when it would be started"


@click.command(
    epilog=f"""
\b
Examples:
  retraced jobs cancel emails 1795501170340-0
  retraced jobs cancel emails --group mail type=newsletter --dry-run
  retraced jobs cancel emails --group mail payload.campaign=7 --yes

Ids that are named are cancelled at once; a FILTER and --all are counted first and want --yes.
FILTER is the same as in `jobs list`. A job that was delayed is cancelled; of others it is
requested, and WHY says when they end; `jobs list` says it until then, and a second cancel counts
them apart. Unsure: many jobs wait, and if it is one of them, it ends when it would be started.
{bulk_json(_VERB, grouped=True)}"""
)
@click.argument("stream")
@group_option("Only in this group, not in all of the stream.", required=False)
@bulk_options(_VERB)
@click.pass_obj
def cancel(session: Session, stream: str, *, group: str | None, asked: Asked) -> None:
    """Cancel jobs that wait or run.

    In all groups of the stream, unless one is named. A delayed job ends at once; one in the queue
    when it would be started; a running handler is told within 1.5 s, and the story says by whom.
    """

    async def work(link: Link) -> tuple[BulkResult, int]:
        facts, groups = await groups_meant(link, stream, group)
        act = _Cancelling(link, asked.by, bool(asked.ids), facts)
        described = _Described(link, groups, asked)
        pages = _named(asked.ids, groups) if asked.ids else described.pages()
        try:
            found = await act_on(
                pages, act, session=session, asked=asked, verb=_VERB,
                again=lambda: _Described(link, groups, asked).pages(),
            )  # fmt: skip
        finally:
            described.tell()
        found.apart = len(described.already)
        return found, len(groups)

    found, groups = session.run(work)
    each = " (a job counts once for each)" if groups > 1 and found.would is None else ""
    report(session, found, asked=asked, verb=_VERB, where=where(stream, group) + each)


@dataclass(frozen=True, slots=True)
class _Target:
    """A job, and the groups in which it is to be cancelled. `held`: a worker had it."""

    job: bytes
    groups: Sequence[Keys]
    held: bool = False


@dataclass(frozen=True, slots=True)
class _Cancelling:
    """Cancels targets; `named` jobs are looked at again, to say what happens to them."""

    link: Link
    by: str
    named: bool
    facts: StreamFacts

    async def __call__(self, targets: Sequence[_Target]) -> list[Result]:
        """One call for each job and group, and what came of it."""
        asked = [(target, keys) for target in targets for keys in target.groups]
        calls = [(target.job, writes.cancel(keys, target.job, by=self.by))
                 for target, keys in asked]  # fmt: skip
        results = await rule(self.link, calls)
        told = [
            replace(result, why=await self._why(result, target, keys), group=keys.group_name)
            for result, (target, keys) in zip(results, asked, strict=True)
        ]
        return _set_aside(told) if self.named else [_ended_meanwhile(each) for each in told]

    async def _why(self, result: Result, target: _Target, keys: Keys) -> str:
        if result.ruling is not Ruling.REQUESTED:
            return result.why
        if self.named:
            return await self._what_happens(keys, target.job)
        held = "a worker has it: within 1.5 s if it runs, else before it starts"
        return held if target.held else _QUEUED

    async def _what_happens(self, keys: Keys, job: bytes) -> str:
        holding = (await story(self.link, keys, job, self.facts)).holding
        if holding is None:
            return _QUEUED
        worker = holding.consumer.decode("utf-8", "replace")
        match holding.activity:
            case Activity.RUNNING:
                return f"running on {worker}: it is told within 1.5 s"
            case Activity.SILENT:
                return f"{worker} is gone: ends when its lease does"
            case _:
                return f"held by {worker}: within 1.5 s if it runs, else before it starts"


async def _named(jobs: Sequence[bytes], groups: Sequence[Keys]) -> AsyncIterator[list[_Target]]:
    yield [_Target(job, groups) for job in jobs]


@dataclass(slots=True)
class _Described:
    """What hasn't ended and isn't to end yet. `already`: what is, which is told apart."""

    link: Link
    groups: Sequence[Keys]
    asked: Asked
    already: set[bytes] = field(default_factory=set)

    async def pages(self) -> AsyncIterator[list[_Target]]:
        """Group by group; a job is counted in one of them only.

        Those delayed are looked for once more, for one that failed meanwhile.
        """
        places, counted = (*BY_FLOW, Place.DELAYED), set[bytes]()
        for keys in self.groups:
            found = matching(self.link, keys, wanted=self.asked.filter, places=places, cancels=True)
            async for page in found:
                rows = [row for row in page if not row.to_cancel]
                self.already.update(row.job for row in page if row.to_cancel)
                if not self.asked.agreed and len(self.groups) > 1:
                    rows = [row for row in rows if row.job not in counted]
                    counted.update(row.job for row in rows)
                yield [_Target(row.job, [keys], held=row.place in _HELD) for row in rows]

    def tell(self) -> None:
        """Says on stderr how many are to end anyway."""
        if self.already:
            count = plural(len(self.already), "job")
            note(f"cancel has been requested already of {count}: not counted here")


def _set_aside(results: Sequence[Result]) -> list[Result]:
    """A group that had no such job is no failure where another one had it."""
    done = {each.job for each in results if each.ruling in _AGREED}
    return [
        replace(each, aside=each.job in done and each.ruling not in _AGREED) for each in results
    ]


def _ended_meanwhile(result: Result) -> Result:
    """It hadn't when it was found: nobody's mistake."""
    return replace(result, ruling=Ruling.MISSING) if result.ruling is Ruling.REFUSED else result
