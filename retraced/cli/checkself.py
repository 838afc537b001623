"""`retraced workers check`: one line and an exit code, for the probes of containers."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from retraced.cli.session import Session
from retraced.cli.values import Duration
from retraced.durations import format_ms
from retraced.errors import UsageError
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.heartbeat import Heartbeat

FAILED = 1

EXAMPLES = """
\b
Examples:
  retraced workers check --self
  retraced workers check --self --consumer blue
  retraced workers check emails --group mail
  retraced workers check emails --group mail --max-age 10s

In a container's image:

\b
  HEALTHCHECK --interval=30s --start-period=20s \\
    CMD ["retraced", "workers", "check", "--self"]

A probe that restarts what fails should let exit code 4 pass: it says that Redis can't be reached,
which no restart of a worker cures (workers wait, and go on by themselves).

It prints one line and no JSON. A worker is well unless nothing has moved in it for longer than the
group's visibility timeout: no heartbeat, or an event loop that stands still.
"""


@dataclass(frozen=True, slots=True)
class Health:
    """What the probe answers, in one line."""

    well: bool
    line: str


@click.command(epilog=EXAMPLES)
@click.argument("stream", required=False)
@click.option("--group", metavar="G", help="Workers of this group only.")
@click.option("--self", "own", is_flag=True, help="Workers of this host only; each must be well.")
@click.option("--consumer", metavar="PREFIX", help="Workers that were started with this name.")
@click.option(
    "--max-age",
    type=Duration(),
    metavar="D",
    help="How long it may stand still. Default: the group's visibility timeout.",
)
@click.pass_context
def check(
    ctx: click.Context,
    stream: str | None,
    *,
    group: str | None,
    own: bool,
    consumer: str | None,
    max_age: int | None,
) -> None:
    """Tell by the exit code whether workers are well: 0, else 1.

    Of a STREAM's group one worker that is well is enough. With --self all those of this host count
    whose process is there: one that hangs isn't made up for by another.
    """
    if stream is None and not own:
        raise UsageError("say which workers: --self, or STREAM --group G")
    session: Session = ctx.obj
    host = socket.gethostname() if own else None

    async def work(link: Link) -> list[Heartbeat]:
        from retraced.cli.lookup import chosen_groups
        from retraced.store.reads.workers import beats

        found = await beats(link, stream=stream, group=group)
        if stream is not None and not found:
            await chosen_groups(link, stream, group)  # raises NotFound, with suggestions
        return [beat for beat in found if _meant(beat, host, consumer)]

    health = judge(session.run(work), host=host, max_age_ms=max_age)
    click.echo(health.line)
    ctx.exit(0 if health.well else FAILED)


def judge(beats: Sequence[Heartbeat], *, host: str | None, max_age_ms: int | None) -> Health:
    """`host`: this one, when its own workers are meant."""
    newest = _newest_of_each_process(beats) if host else beats
    troubles = [(beat, _trouble(beat, max_age_ms)) for beat in newest]
    well = [beat for beat, trouble in troubles if not trouble]
    hanging = [
        f"{beat.name} of {beat.keys.stream_name}/{beat.keys.group_name}: {trouble}"
        for beat, trouble in troubles
        if trouble and (not host or process_exists(beat.pid))
    ]
    where = f" of {host}" if host else ""
    if host and hanging:
        return Health(False, "; ".join(hanging))
    if not well:
        return Health(False, "; ".join(hanging) or f"no worker{where} gives a sign of life")
    names = sorted({beat.name for beat in well})
    return Health(True, f"well: {', '.join(names[:3])}{_more(len(names) - 3)}")


def process_exists(pid: int | None) -> bool:
    """Whether this machine, or this container, has such a process."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _meant(beat: Heartbeat, host: str | None, consumer: str | None) -> bool:
    if consumer is not None and not beat.name.startswith(f"{consumer}-"):
        return False
    return host is None or beat.host == host


def _newest_of_each_process(beats: Sequence[Heartbeat]) -> list[Heartbeat]:
    """A container that starts again has the same host and pid: its former worker doesn't count."""
    newest: dict[tuple[Keys, int | None], Heartbeat] = {}
    for beat in sorted(beats, key=lambda each: each.age_ms or 0, reverse=True):
        newest[beat.keys, beat.pid] = beat
    return list(newest.values())


def _trouble(beat: Heartbeat, max_age_ms: int | None) -> str:
    still_ms = beat.stalled_ms(max_age_ms)
    if still_ms is None:
        return ""
    if beat.loop_silent_ms > (beat.age_ms or 0):
        return f"its event loop has been stuck for {format_ms(still_ms)}"
    return f"its last heartbeat was {format_ms(beat.age_ms or 0)} ago"


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
