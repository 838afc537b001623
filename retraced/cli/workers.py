"""`retraced workers`: who is alive, and what each runs; `check` is for probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from retraced.cli.checkself import check
from retraced.cli.defaulting import DefaultGroup
from retraced.cli.listing import Row, show
from retraced.cli.session import Session
from retraced.durations import format_ms
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.workers import WorkerState

_COLUMNS = ("worker", "stream", "group", "beat", "running", "slots", "pid", "release", "note")

EXAMPLES = """
\b
Examples:
  retraced workers
  retraced workers emails --group mail

A worker is stalled when nothing has moved in it for longer than a lease lasts: no heartbeat, or its
event loop stands still. Its jobs are taken over then.

JSON, for each worker and group: id (its consumer name), stream, group, alive, beat_ms (since its
last heartbeat), stalled, stalled_ms (since something last moved in it), running (ids of jobs),
ignoring (those that were told to end and run on, by id: cancelled, timed out, lost or stopping),
and all else that the worker told, under facts.
"""


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

    async def work(link: Link) -> list[Row]:
        from retraced.cli.lookup import chosen_groups
        from retraced.store.reads.replies import number, redis_now
        from retraced.store.reads.workers import workers_of

        now_ms = await redis_now(link)
        rows: list[Row] = []
        for known, name in await chosen_groups(link, stream, group):
            keys = Keys.of(known, name)
            visibility_ms = number(await link.call("HGET", keys.state, "visibility_ms"), 30_000)
            states = await workers_of(link, keys)
            rows += [_row(keys, state, now_ms, visibility_ms) for state in states]
        return rows

    rows = session.run(work)
    columns = _COLUMNS if any(row.shown["note"] for row in rows) else _COLUMNS[:-1]
    show(session, rows, columns, flexible="worker", spare="pid", empty=_nobody(stream, group))


def _row(keys: Keys, state: WorkerState, now_ms: int, visibility_ms: int) -> Row:
    facts, stream, group = state.facts, keys.stream_name, keys.group_name
    beat_ms, silent_ms = state.beat_ms(now_ms), state.stalled_ms(now_ms)
    stalled = silent_ms is not None and silent_ms > visibility_ms
    ignoring = {job: each.why for job, each in state.ignoring.items() if each.stream == stream}
    running = state.running
    data: dict[str, Any] = {
        "id": state.consumer,
        "stream": stream,
        "group": group,
        "alive": state.alive,
        "beat_ms": beat_ms,
        "stalled": stalled,
        "stalled_ms": silent_ms,
        "running": None if running is None else sorted(running),
        "ignoring": {job.decode(): why for job, why in ignoring.items()},
        "facts": facts,
    }
    shown = {
        "worker": state.consumer,
        "stream": stream,
        "group": group,
        "beat": "gone" if not state.alive else _spelled(beat_ms),
        "running": None if running is None else len(running),
        "slots": facts.get("concurrency"),
        "pid": facts.get("pid"),
        "release": facts.get("release") or None,
        "note": _note(stalled_ms=silent_ms if stalled else None, deaf=len(ignoring)),
    }
    return Row(data, shown)


def _note(*, stalled_ms: int | None, deaf: int) -> str:
    notes = [] if stalled_ms is None else [f"stalled {format_ms(stalled_ms)}"]
    if deaf:
        notes.append(f"{deaf} told to end, {'runs' if deaf == 1 else 'run'} on")
    return "; ".join(notes)


def _spelled(ms: int | None) -> str | None:
    return None if ms is None else format_ms(ms)


def _nobody(stream: str | None, group: str | None) -> str:
    from retraced.cli.remedy import consume

    return f"no worker is alive here. Start one: {consume(stream or 'STREAM', group or 'G')}"
