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

_COLUMNS = ("worker", "stream", "group", "beat", "running", "slots", "pid", "release")

EXAMPLES = """
\b
Examples:
  retraced workers
  retraced workers emails --group mail

JSON, for each worker and group: id (its consumer name), stream, group, alive, beat_ms (since its
last heartbeat), running (ids of jobs), and all else that the worker told, under facts.
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
        from retraced.store.reads.replies import redis_now
        from retraced.store.reads.workers import workers_of

        now_ms = await redis_now(link)
        rows: list[Row] = []
        for known, name in await chosen_groups(link, stream, group):
            states = await workers_of(link, Keys.of(known, name))
            rows += [_row(known, name, state, now_ms) for state in states]
        return rows

    show(session, session.run(work), _COLUMNS, flexible="worker", empty=_nobody(stream, group))


def _row(stream: str, group: str, state: WorkerState, now_ms: int) -> Row:
    facts = state.facts
    beat_ms = _since(facts.get("at"), now_ms)
    running = state.running
    data: dict[str, Any] = {
        "id": state.consumer,
        "stream": stream,
        "group": group,
        "alive": state.alive,
        "beat_ms": beat_ms,
        "running": None if running is None else sorted(running),
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
    }
    return Row(data, shown)


def _since(then: str | None, now_ms: int) -> int | None:
    return max(now_ms - int(then), 0) if then and then.isdigit() else None


def _spelled(ms: int | None) -> str | None:
    return None if ms is None else format_ms(ms)


def _nobody(stream: str | None, group: str | None) -> str:
    from retraced.cli.remedy import consume

    return f"no worker is alive here. Start one: {consume(stream or 'STREAM', group or 'G')}"
