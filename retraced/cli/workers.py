"""`retraced workers`: who is alive, and what each runs; `check` is for probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from retraced.cli.checkself import check
from retraced.cli.defaulting import DefaultGroup
from retraced.cli.listing import Row, for_people, show
from retraced.cli.pausewords import say_paused
from retraced.cli.session import Session
from retraced.durations import format_ms
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.heartbeat import Heartbeat
    from retraced.store.reads.pause import Pause

_COLUMNS = ("worker", "stream", "group", "beat", "running", "slots", "pid", "release", "note")

EXAMPLES = """
\b
Examples:
  retraced workers
  retraced workers emails --group mail

A worker is stalled when nothing has moved in it for longer than a lease lasts: no heartbeat, or its
event loop stands still. Its jobs are taken over then, and don't count as running in it any more.
NOTE (below a row where it has no room): that, a pause of the group, and what ignores its end.

JSON, for each worker and group: id (its consumer name), stream, group, alive, beat_ms (since its
last heartbeat), stalled, stalled_ms (since something last moved in it), paused (the group), running
(ids of jobs; of a stalled one those that are still its own),
ignoring (those that were told to end and run on, by id: cancelled, timed out, lost or stopping),
and all else that the worker told, under facts.
"""


@dataclass(frozen=True, slots=True)
class Crew:
    """The workers of one group, and its pause if it is in one."""

    keys: Keys
    workers: Sequence[Heartbeat]
    pause: Pause | None


@click.group(
    cls=DefaultGroup,
    default="list",
    epilog="""
\b
Examples:
  retraced workers
  retraced workers emails --group mail
  retraced workers check --self

Without a command's name it is `list`.
""",
)
def workers() -> None:
    """Show who is alive and what each runs; check it for a probe."""


workers.add_command(check)


@workers.command(name="list", epilog=EXAMPLES)
@click.argument("stream", required=False)
@click.option("--group", metavar="G", help="Only this group's workers.")
@click.pass_obj
def list_(session: Session, stream: str | None, group: str | None) -> None:
    """Show the workers of all groups, of STREAM, or of one group of it."""

    async def work(link: Link) -> list[Crew]:
        from retraced.cli.lookup import chosen_groups
        from retraced.store.reads.pause import pause_of
        from retraced.store.reads.workers import workers_of

        found = [Keys.of(*each) for each in await chosen_groups(link, stream, group)]
        return [
            Crew(keys, await workers_of(link, keys), await pause_of(link, keys)) for keys in found
        ]

    crews = session.run(work)
    rows = [_row(worker, crew.pause) for crew in crews for worker in crew.workers]
    columns = _COLUMNS if any(row.shown["note"] for row in rows) else _COLUMNS[:-1]
    show(
        session,
        rows,
        columns,
        flexible="worker",
        below=("note", "release"),
        spare=("slots",),
        empty=_nobody(stream, group),
    )
    if for_people(session):
        for crew in crews:
            say_paused(crew.keys.stream_name, crew.keys.group_name, crew.pause)


def _row(worker: Heartbeat, pause: Pause | None) -> Row:
    running, stream, group = worker.running, worker.keys.stream_name, worker.keys.group_name
    data: dict[str, Any] = {
        "id": worker.consumer,
        "stream": stream,
        "group": group,
        "alive": not worker.gone,
        "beat_ms": worker.age_ms,
        "stalled": worker.stalled,
        "stalled_ms": worker.still_ms,
        "paused": pause is not None,
        "running": None if running is None else sorted(running),
        "ignoring": {job.decode(): each.why for job, each in worker.ignoring.items()},
        "facts": worker.facts,
    }
    shown = {
        "worker": worker.consumer,
        "stream": stream,
        "group": group,
        "beat": "gone" if worker.gone else _spelled(worker.age_ms),
        "running": None if running is None else len(running),
        "slots": worker.slots,
        "pid": worker.pid,
        "release": worker.release or None,
        "note": _note(worker, pause),
    }
    return Row(data, shown)


def _note(worker: Heartbeat, pause: Pause | None) -> str:
    stalled_ms, deaf = worker.stalled_ms(), len(worker.ignoring)
    notes = [] if stalled_ms is None else [f"stalled {format_ms(stalled_ms)}"]
    if deaf:
        notes.append(f"{deaf} told to end, {'runs' if deaf == 1 else 'run'} on")
    if pause is not None:
        notes.append("paused")
    return "; ".join(notes)


def _spelled(ms: int | None) -> str | None:
    return None if ms is None else format_ms(ms)


def _nobody(stream: str | None, group: str | None) -> str:
    from retraced.cli.remedy import consume

    return f"no worker is alive here. Start one: {consume(stream or 'STREAM', group or 'G')}"
