"""What Enter shows: a job's story, a group's facts and rates, what a worker said of itself."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from retraced.cli import timeline
from retraced.cli.listing import ago, shortened, terminal_width, when
from retraced.cli.output import printable
from retraced.cli.ratewords import heading, windows
from retraced.cli.top.data import Snapshot
from retraced.cli.top.target import Target
from retraced.cli.top.words import counted, span
from retraced.cli.words import plural
from retraced.durations import format_ms
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.groups import groups_of, stream_facts
from retraced.store.reads.heartbeat import Heartbeat
from retraced.store.reads.overview import GroupView
from retraced.store.reads.rates import GroupTimes, Rate, Rates, Spread, Times, rates, times
from retraced.store.reads.story import Story, story

_MOST_TYPES = 50
_NAME = 14
_STOOD_STILL_MS = 1000
_TOLD = frozenset(
    {"running", "runs", "ignoring", "at", "host", "pid", "release", "concurrency", "silent_ms"}
)


async def details(
    link: Link, target: Target, snapshot: Snapshot, *, verbose: bool = False
) -> list[str]:
    """The lines for what a row stands for; `verbose`: with tracebacks. Raises StoreErrors."""
    if target.job:
        return await job_lines(link, target, verbose=verbose)
    if target.consumer:
        return list(_worker(target, snapshot))
    return await group_lines(link, target.keys, snapshot)


async def job_lines(link: Link, target: Target, *, verbose: bool) -> list[str]:
    """Its story in each group, as `retraced trace` tells it; that of the row's group first."""
    keys = target.keys
    facts = await stream_facts(link, keys.stream)
    ours, _ = await groups_of(link, facts)
    names = [keys.group_name, *(name for name in ours if name != keys.group_name)]
    stories = [
        await story(link, Keys.of(keys.stream_name, name), target.job, facts) for name in names
    ]
    lines = [_heading(target, stories)]
    for each in stories:
        lines += ["", *timeline.lines(each, verbose=verbose)]
    return lines


async def group_lines(link: Link, keys: Keys, snapshot: Snapshot) -> list[str]:
    """Its counts, who paused it and why, its rates, and how long its types wait and run."""
    view = next((each for each in snapshot.groups if each.keys == keys), None)
    lines = [f"group {keys.group_name} of {printable(keys.stream_name)}", ""]
    if view is not None:
        lines += _counts(view)
    told, spent = await rates(link, keys), await times(link, keys)
    return [*lines, "", *_rates(told), "", *_times(spent)]


def _heading(target: Target, stories: list[Story]) -> str:
    told = f"job {printable(target.job)} of {printable(target.keys.stream_name)}"
    added, now_ms = stories[0].added_ms, stories[0].now_ms
    return told if added is None else f"{told}, added {when(added)} UTC ({ago(now_ms - added)})"


def _counts(view: GroupView) -> Iterator[str]:
    if view.trouble:
        yield f"  it can't be read: {printable(view.trouble)}"
        return
    if pause := view.pause:
        why = f": {printable(pause.why)}" if pause.why else ""
        yield f"  PAUSED for {span(view.paused_for_ms)} by {printable(pause.by or '?')}{why}"
    if not view.exists:
        yield "  GONE from the stream; its next worker makes it again"
    unread, ready = counted(view.unread), f"{view.counts.ready:,}"
    yield f"  backlog  {counted(view.backlog)} ({unread} not read, {ready} due again)"
    yield f"  oldest   {span(view.oldest_for_ms)} waiting"
    yield f"  held {view.counts.held:,}, delayed {view.counts.delayed:,}, dead {view.counts.dead:,}"
    yield f"  {plural(view.workers, 'worker')}, visibility timeout {format_ms(view.visibility_ms)}"


def _rates(found: Rates) -> Iterator[str]:
    rows = windows(found)
    head = "COUNTED" if heading(rows) == "counted" else "A MINUTE, OVER"
    yield f"  {head:<14}   ADDED COMPLETED    FAILED      DEAD RECLAIMED"
    for name, rate in rows:
        yield f"  {name:<13}{_rate(rate)}"
    if not rows:
        yield f"  {'-':<13}no worker has counted anything yet"
    counted = ", ".join(f"{name} {found.totals[name]:,}" for name in sorted(found.totals)) or "-"
    head = "  since ever   "
    yield from textwrap.wrap(
        counted, terminal_width() - 1, initial_indent=head, subsequent_indent=" " * len(head)
    )


def _rate(rate: Rate) -> str:
    numbers = (rate.added, rate.completed, rate.failed, rate.dead, rate.reclaimed)
    return "".join(f"{'-' if n is None else f'{n:,.1f}':>10}" for n in numbers)


def _times(found: GroupTimes) -> Iterator[str]:
    heads = ("RUNS", "WAIT p50", "p95", "p99", "RUN p50", "p95", "p99")
    yield _cells("LAST HOUR", heads)
    yield _time("(all)", found.total)
    busiest = sorted(found.types.items(), key=lambda pair: (-pair[1].count, pair[0]))
    for name, each in busiest[:_MOST_TYPES]:
        yield _time(name, each)
    if len(busiest) > _MOST_TYPES:
        yield f"  ... and {len(busiest) - _MOST_TYPES:,} more types"


def _time(name: str, times: Times) -> str:
    return _cells(name, [f"{times.count:,}", *_spread(times.wait), *_spread(times.run)])


def _cells(name: str, cells: Sequence[str]) -> str:
    runs, *others = cells
    own = shortened(printable(name), _NAME)
    return f"  {own:<{_NAME}}{runs:>10}" + "".join(f" {cell:>8}" for cell in others)


def _spread(spread: Spread) -> list[str]:
    numbers = (spread.p50, spread.p95, spread.p99)
    return ["-" if n is None else format_ms(round(n)) for n in numbers]


def _worker(target: Target, snapshot: Snapshot) -> Iterator[str]:
    yield f"worker {printable(target.consumer)} in {printable(target.where)}"
    for worker in snapshot.workers:
        if worker.keys == target.keys and worker.consumer == target.consumer:
            yield from _about(worker)
            return
    yield "  it has gone; what it held is taken over by others"


def _facts(worker: Heartbeat) -> Iterator[str]:
    """What it told of itself, the known facts in words; nothing if its heartbeat has expired."""
    if not worker.facts:
        return
    process = f"process {printable(worker.pid)} on {printable(worker.host or '?')}"
    yield f"  {process}, release {printable(worker.release or '-')}"
    running = "?" if worker.running is None else f"{len(worker.running):,}"
    yield f"  {running} of {printable(worker.slots)} slots taken"
    if worker.loop_silent_ms >= _STOOD_STILL_MS:
        yield f"  its event loop had stood still for {format_ms(worker.loop_silent_ms)}"
    for name, value in sorted(worker.facts.items()):
        if name not in _TOLD:
            yield f"  {printable(name)}: {printable(value)}"


def _about(worker: Heartbeat) -> Iterator[str]:
    beat = ago(worker.age_ms or 0)
    yield f"  last heartbeat {beat}, visibility timeout {span(worker.visibility_ms)}"
    if worker.gone:
        yield "  GONE: silent for three visibility timeouts; others take over what it held"
    elif worker.stalled:
        yield f"  STALLED: nothing has moved in it for {span(worker.still_ms)}"
    yield from _facts(worker)
    for job, ignored in worker.ignoring.items():
        yield f"  ignores: {printable(job)} {printable(ignored.type)}, {ignored.why}"
    yield ""
    yield f"  of this group it ran {plural(len(worker.runs), 'job')} at its last heartbeat:"
    for run in worker.runs.values():
        ran = span(worker.by_now_ms(run))
        which = "" if run.delivery is None else f", delivery {run.delivery}"
        yield f"  {printable(run.job):<20} {printable(run.type)} for {ran}{which}"
