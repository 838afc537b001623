"""The sums at the demo's end: every job in one final place, every run with its reason. Pure.

What ran is told by the ledger outside Redis, what became of it by Redis; both must agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TypeVar

from retraced.demo.ledger import ENDED, FAILED, Run
from retraced.demo.orders import Order
from retraced.demo.workers import Death
from retraced.events import Event, EventName

T = TypeVar("T", Run, Event)


class Reason(StrEnum):
    """Why a job ran once more."""

    FAILED = "after a failure"
    KILLED = "after SIGKILL of its worker"
    DIED = "after its worker died"
    CRASHED = "after its own process died"
    LEASE = "after its lease ran out"
    PUT_BACK = "as a person put it back"
    UNKNOWN = "without a reason"


_AFTER_DEATH: Mapping[Death | None, Reason] = {
    Death.KILLED: Reason.KILLED,
    Death.OF_A_JOB: Reason.DIED,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one group. `events` are all of its events, in order; `dead` the reasons of
    its dead letters by job; `left` how much is where nothing should be, by key.
    """

    group: str
    orders: Mapping[str, Order]
    runs: Sequence[Run]
    events: Sequence[Event]
    dead: Mapping[str, str]
    left: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """One group's sums; `wrong` says in words what doesn't add up."""

    group: str
    added: int
    done: int
    dead: int
    runs: int
    first_runs: int
    again: Counter[Reason]
    late_ms: Sequence[int]
    wrong: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Job:
    """One job of a group: what was added, its runs, its events, and the reason of its death."""

    id: str
    order: Order
    runs: Sequence[Run]
    events: Sequence[Event]
    dead: str

    @property
    def completed(self) -> int:
        return sum(event.name == EventName.COMPLETED for event in self.events)


def account(evidence: Evidence, deaths: Mapping[str, Death]) -> Account:
    """The sums of one group; `deaths` are those of workers, by name."""
    jobs = list(_jobs(evidence))
    again = Counter(reason for job in jobs for reason in _reasons(job, deaths))
    return Account(
        group=evidence.group,
        added=len(jobs),
        done=sum(bool(job.completed) for job in jobs),
        dead=len(evidence.dead),
        runs=len(evidence.runs),
        first_runs=sum(bool(job.runs) for job in jobs),
        again=again,
        late_ms=sorted(late for job in jobs for late in _late_ms(job)),
        wrong=list(_wrong(evidence, jobs, again)),
    )


def _jobs(evidence: Evidence) -> Iterator[_Job]:
    runs, events = _by_job(evidence.runs), _by_job(evidence.events)
    for job, order in evidence.orders.items():
        dead = evidence.dead.get(job, "")
        yield _Job(job, order, runs.get(job, []), events.get(job, []), dead)


def _by_job(things: Iterable[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for thing in things:
        found.setdefault(thing.job, []).append(thing)
    return found


def _reasons(job: _Job, deaths: Mapping[str, Death]) -> Iterator[Reason]:
    """Why it ran again, for each run but the first: what happened first after the one before."""
    for before, after in pairwise(job.runs):
        between = [e for e in job.events if before.began_ms < e.at_ms <= after.began_ms]
        reasons = (_reason(event, before, deaths) for event in between)
        yield next(filter(None, reasons), Reason.UNKNOWN)


def _reason(event: Event, before: Run, deaths: Mapping[str, Death]) -> Reason | None:
    match event.name:
        case EventName.FAILED:
            return Reason.FAILED if before.end == FAILED else Reason.UNKNOWN
        case EventName.CRASHED:
            return Reason.CRASHED if not before.end else Reason.UNKNOWN
        case EventName.REQUEUED:
            return Reason.PUT_BACK
        case EventName.RECLAIMED:
            return _AFTER_DEATH.get(deaths.get(before.worker), Reason.LEASE)
        case _:
            return None


def _late_ms(job: _Job) -> Iterator[int]:
    """How long after its due time a delayed job began."""
    if job.order.delay_ms and job.runs:
        yield job.runs[0].began_ms - int(job.id.partition("-")[0]) - job.order.delay_ms


def _wrong(evidence: Evidence, jobs: Sequence[_Job], again: Counter[Reason]) -> Iterator[str]:
    """Everything that isn't as it must be, in words."""
    for name, count in evidence.left.items():
        if count:
            yield f"{count} still in {name}"
    strangers = {run.job for run in evidence.runs} | set(evidence.dead)
    for job_id in sorted(strangers - evidence.orders.keys()):
        yield f"{job_id} was never added"
    for job in jobs:
        for what in _wrong_with(job, evidence.group):
            yield f"{job.order.name} ({job.id}) {what}"
    if again[Reason.UNKNOWN]:
        yield f"{again[Reason.UNKNOWN]} runs have no reason"


def _wrong_with(job: _Job, group: str) -> Iterator[str]:
    expected = "" if job.order.mended else job.order.dies.get(group, "")
    if job.completed + bool(job.dead) != 1:
        yield f"was completed {job.completed} times and is {job.dead or 'not'} dead"
    if job.dead != expected:
        yield f"should be {expected or 'done'} and is {job.dead or 'not dead'}"
    if bool(job.completed) != any(run.end == ENDED for run in job.runs):
        yield "has no run that ended well, or has one and isn't done"
    if len({run.fence for run in job.runs}) != len(job.runs):
        yield "ran twice in one delivery"
    if any(late < 0 for late in _late_ms(job)):
        yield "began before its time"
