"""Cancelling jobs in one group or in all of a stream, and saying what happens to each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from retraced.cli.bulk import Asked, Outcome, Result, Verb, act_on, rule
from retraced.cli.lookup import found_group, found_stream
from retraced.cli.session import Session
from retraced.errors import NotFound
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.groups import StreamFacts, groups_of
from retraced.store.reads.held import Activity
from retraced.store.reads.jobs import BY_FLOW, Place, matching
from retraced.store.reads.story import State, story
from retraced.store.writes import Ruling, cancel

_HELD = (Place.HELD, Place.HELD_AGAIN)


@dataclass(frozen=True, slots=True)
class Target:
    """A job, and the groups in which it is to be cancelled. `held`: a worker had it."""

    job: bytes
    groups: Sequence[Keys]
    held: bool = False


@dataclass(slots=True)
class Cancelling:
    """Cancels targets; `named` jobs are looked at again, to say what happens to them."""

    link: Link
    by: str
    named: bool
    facts: StreamFacts

    async def act(self, targets: Sequence[Target]) -> list[Result]:
        """One call for each job and group, and what came of it."""
        asked = [(target, keys) for target in targets for keys in target.groups]
        calls = [(target.job, cancel(keys, target.job, by=self.by)) for target, keys in asked]
        results = await rule(self.link, calls)
        told = [
            await self._told(result, target, keys)
            for result, (target, keys) in zip(results, asked, strict=True)
        ]
        return _set_aside(told) if self.named else [_ended_meanwhile(each) for each in told]

    async def _told(self, result: Result, target: Target, keys: Keys) -> Result:
        result = replace(result, group=keys.group_name)
        if result.ruling is not Ruling.OK or "next step" not in result.why:
            return result
        if self.named:
            return replace(result, why=await self._what_happens(keys, target.job))
        held = "a worker has it: within 1.5 s if it runs, else before it starts"
        return replace(result, why=held if target.held else _QUEUED)

    async def _what_happens(self, keys: Keys, job: bytes) -> str:
        found = await story(self.link, keys, job, self.facts)
        holding = found.holding
        if holding is None:
            return _QUEUED if found.state is State.QUEUED else _DEEP
        worker = holding.consumer.decode("utf-8", "replace")
        match holding.activity:
            case Activity.RUNNING:
                return f"running on {worker}: it is told within 1.5 s"
            case Activity.SILENT:
                return f"{worker} is gone: ends when its lease does"
            case _:
                return f"held by {worker}: within 1.5 s if it runs, else before it starts"


_DEEP = "not found, but the queue is long: if it is in there, it ends when it would be started"
_QUEUED = "in the queue: ends when it would be started"


async def cancel_all(
    session: Session, link: Link, stream: str, group: str | None, *, asked: Asked, verb: Verb
) -> Outcome:
    """Cancels what was asked for. Raises NotFound when there is no such stream or group."""
    groups, facts = await _groups(link, stream, group)
    cancelling = Cancelling(link, asked.by, bool(asked.ids), facts)
    pages = _named(asked.ids, groups) if asked.ids else _described(link, groups, asked)
    return await act_on(pages, cancelling.act, session=session, asked=asked, verb=verb)


async def _groups(link: Link, stream: str, group: str | None) -> tuple[list[Keys], StreamFacts]:
    if group is not None:
        keys, facts = await found_group(link, stream, group)
        return [keys], facts
    facts = await found_stream(link, stream)
    ours, _ = await groups_of(link, facts)
    if not ours:
        raise NotFound(f"no group works {stream!r}, so there is nothing to cancel its jobs in")
    return [Keys.of(stream, name) for name in ours], facts


async def _named(jobs: Sequence[bytes], groups: Sequence[Keys]) -> AsyncIterator[list[Target]]:
    yield [Target(job, groups) for job in jobs]


async def _described(
    link: Link, groups: Sequence[Keys], asked: Asked
) -> AsyncIterator[list[Target]]:
    """What hasn't ended; those delayed are looked for once more, for one that failed meanwhile."""
    places = (*BY_FLOW, Place.DELAYED)
    for keys in groups:
        async for page in matching(link, keys, wanted=asked.filter, places=places):
            yield [Target(row.job, [keys], held=row.place in _HELD) for row in page]


def _set_aside(results: Sequence[Result]) -> list[Result]:
    """A group that had no such job is no failure where another one had it."""
    done = {each.job for each in results if each.ruling is Ruling.OK}
    return [
        replace(each, aside=True) if each.job in done and each.ruling is not Ruling.OK else each
        for each in results
    ]


def _ended_meanwhile(result: Result) -> Result:
    """It hadn't when it was found: nobody's mistake."""
    return replace(result, ruling=Ruling.MISSING) if result.ruling is Ruling.REFUSED else result
