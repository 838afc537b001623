"""`retraced pending`: which jobs of a group are held, by whom, for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli import rediscli
from retraced.cli.holdings import holding_data, state_word
from retraced.cli.listing import Row, for_people, show
from retraced.cli.lookup import found_group
from retraced.cli.options import group_option
from retraced.cli.pausewords import say_paused
from retraced.cli.session import Session
from retraced.durations import format_ms
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.held import HeldPage, Holding
    from retraced.store.reads.pause import Pause

_COLUMNS = ("job", "state", "on", "delivery", "idle", "worker")

EXAMPLES = """
\b
Examples:
  retraced pending emails --group mail
  retraced pending emails --group mail --redis-cli
  retraced -o json pending emails --group mail

JSON, for each held job: id, on (the stream that it is pending on), entry (its id there), worker,
idle_ms (since the worker's last sign of life), delivery (all so far, this one included),
state (running, "cancel ignored", prefetched, "not told", "worker is gone", or stalled: its worker
ran it when it was last heard of, longer than a lease ago), and, null where its worker hasn't told:
type, ran_ms (so far), ignoring (what it was told and doesn't heed: cancelled,
timed out, lost or stopping).
"""


@click.command(epilog=EXAMPLES)
@click.argument("stream")
@group_option()
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="At most so many of each stream.",
)
@click.option(
    "--redis-cli", is_flag=True, help="Print the two XPENDING commands that show the same."
)
@click.pass_obj
def pending(session: Session, stream: str, group: str, limit: int, redis_cli: bool) -> None:
    """Show what is held in a group: delivered to a worker and not settled.

    First deliveries are pending on the stream itself, later ones on the group's ready stream.
    A worker says what it runs with its heartbeat, so "running" may lag a few seconds behind.
    """
    if redis_cli:
        keys = Keys.of(stream, group)
        for key in (keys.stream, keys.ready):
            words = ("XPENDING", key.decode(), keys.group_name, "-", "+", str(limit))
            click.echo(rediscli.redis_cli(session.url(), *words))
        return

    async def work(link: Link) -> tuple[HeldPage, bytes, Pause | None]:
        from retraced.store.reads.held import held
        from retraced.store.reads.pause import pause_of

        keys, _ = await found_group(link, stream, group)
        return await held(link, keys, limit=limit), keys.ready, await pause_of(link, keys)

    page, ready, paused = session.run(work)
    rows = [_row(holding, ready) for holding in page.holdings]
    show(session, rows, _COLUMNS, flexible="worker", empty=_nothing(stream, group))
    if for_people(session) and page.total > len(rows):
        click.echo(
            f"{len(rows):,} of {page.total:,} held jobs are shown; --limit shows more", err=True
        )
    if for_people(session):
        say_paused(stream, group, paused)


def _row(holding: Holding, ready: bytes) -> Row:
    shown = {
        "job": holding.job or f"(entry {holding.entry.decode()} was removed)",
        "state": _state(holding),
        "on": "ready" if holding.key == ready else "stream",
        "delivery": holding.delivery,
        "idle": format_ms(holding.idle_ms),
        "worker": holding.consumer,
    }
    return Row({"id": holding.job, **holding_data(holding)}, shown)


def _state(holding: Holding) -> str:
    """What it does, and for how long if it runs; how long a stalled one is silent, IDLE tells."""
    state = state_word(holding)
    if holding.stalled or holding.ran_ms is None:
        return state
    return f"{state} {format_ms(holding.ran_ms)}"


def _nothing(stream: str, group: str) -> str:
    from retraced.cli.remedy import consume, where

    return (
        f"nothing is held {where(stream, group)}. `retraced streams` shows whether jobs "
        f"wait; `{consume(stream, group)}` works them"
    )
