"""`retraced events`: what happened in the groups of a stream, and what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from retraced.cli.listing import for_people, moment, terminal_width
from retraced.cli.lookup import groups_meant, job_id
from retraced.cli.names import EventWord
from retraced.cli.options import group_option
from retraced.cli.output import Format, printable
from retraced.cli.patient import patiently
from retraced.cli.prose import note, wrapped
from retraced.cli.session import Session
from retraced.cli.values import Moment, Point
from retraced.events import Event, EventName, describe
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.store.connection import Link

_POLL_S = 0.3
_UNDER = len("00:00:00.000  ")

EXAMPLES = """
\b
Examples:
  retraced events emails --follow
  retraced events emails --group mail --event failed --event dead --since 1h
  retraced -o jsonl events emails --since 2026-11-24T08:00:00Z --limit 10000
  redis-cli XREVRANGE 'retraced:{emails}:mail:events' + - COUNT 10

Events are kept as long as their number and size allow (`retraced groups show`). What is longer
than a line goes on below it; `retraced trace STREAM ID` tells all that is known of a job.

JSON, for each event: id (the job's; "" for an event of the group), stream, group, event, at,
at_ms, worker, release, and the details that docs/story.md lists.
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are asked for; empty: all."""

    names: frozenset[str]
    job: str
    worker: str

    def __call__(self, event: Event) -> bool:
        return (
            (not self.names or event.name in self.names)
            and self.job in ("", event.job)
            and event.worker.startswith(self.worker)
        )


@click.command(epilog=EXAMPLES)
@click.argument("stream")
@group_option("Only of this group. Default: of all.", required=False)
@click.option(
    "--event",
    "names",
    type=EventWord(),
    multiple=True,
    metavar="NAME",
    help="Only these, as failed.",
)
@click.option("--job", default="", metavar="ID", help="Only of this job.")
@click.option("--worker", default="", metavar="NAME", help="Only by workers whose name begins so.")
@click.option("--since", type=Moment(), metavar="D|TIME", help="Not older than this.")
@click.option(
    "--limit",
    default=100,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="The newest so many.",
)
@click.option("--follow", "-f", is_flag=True, help="Go on with those that come, until Ctrl-C.")
@click.pass_obj
def events(
    session: Session,
    stream: str,
    *,
    group: str | None,
    names: Sequence[str],
    job: str,
    worker: str,
    since: Point | None,
    limit: int,
    follow: bool,
) -> None:
    """Show the newest events of STREAM's groups, oldest first, one a line.

    Of every job, and of the groups themselves (paused, resumed, capped...).
    """
    wanted = Wanted(_known(names), job_id(job).decode() if job else "", worker)
    if follow and session.format is Format.JSON:
        session.format = Format.JSONL  # an array that never ends is no JSON

    async def work(link: Link) -> None:
        _, groups = await groups_meant(link, stream, group)
        places = await _backlog(session, link, groups, wanted=wanted, since=since, limit=limit)
        while follow:
            await asyncio.sleep(_POLL_S)
            await _coming(session, link, groups, places, wanted)

    with suppress(KeyboardInterrupt) if follow else nullcontext():
        session.run(work)


def _known(names: Sequence[str]) -> frozenset[str]:
    """The names as events are called. Raises UsageError, with suggestions, for unknown ones."""
    import difflib

    from retraced.errors import UsageError

    every = [name.value for name in EventName]
    for name in names:
        if name not in every:
            close = difflib.get_close_matches(name, every, n=3)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"All: {', '.join(every)}."
            raise UsageError(f"there is no event {name!r}. {hint}")
    return frozenset(names)


async def _backlog(
    session: Session,
    link: Link,
    groups: Sequence[Keys],
    *,
    wanted: Wanted,
    since: Point | None,
    limit: int,
) -> dict[bytes, bytes]:
    """Prints the newest events of all groups together; gives how far each group's were read."""
    from retraced.store.reads.eventlog import latest
    from retraced.store.reads.replies import redis_now

    since_ms = None if since is None else since.at_ms(await redis_now(link))
    places: dict[bytes, bytes] = {}
    found: list[tuple[Keys, Event]] = []
    for keys in groups:
        read = await latest(link, keys, wanted=wanted, limit=limit, since_ms=since_ms)
        places[keys.group] = read.last
        found += [(keys, event) for event in read.events]
    found.sort(key=lambda each: each[1].at_ms)
    _print(session, found[-limit:] if limit else [], several=len(groups) > 1)
    if not found:
        note(_nothing(since_ms is not None))
    return places


async def _coming(
    session: Session,
    link: Link,
    groups: Sequence[Keys],
    places: dict[bytes, bytes],
    wanted: Wanted,
) -> None:
    from retraced.store.reads.eventlog import coming

    found: list[tuple[Keys, Event]] = []
    for keys in groups:
        read = partial(coming, link, keys, places[keys.group])
        events, places[keys.group] = await patiently(read)
        found += [(keys, event) for event in events if wanted(event)]
    found.sort(key=lambda each: each[1].at_ms)
    _print(session, found, several=len(groups) > 1)


def _print(session: Session, found: Sequence[tuple[Keys, Event]], *, several: bool) -> None:
    if for_people(session):
        for keys, event in found:
            label = f"{keys.group_name}  " if several else ""
            for line in _lines(label, event):
                click.echo(line)
    elif found or session.format is Format.JSON:
        session.emit([_data(keys, event) for keys, event in found], ["id"])


def _lines(label: str, event: Event) -> list[str]:
    at = moment(event.at_ms)
    day = "" if at.date() == datetime.now(UTC).date() else f"{at:%m-%d} "
    time = f"{day}{at:%H:%M:%S}.{at.microsecond // 1000:03}"
    head = f"{time}  {label}{event.job or '(group)'}  "
    return wrapped(head + printable(describe(event)), terminal_width(), then=" " * _UNDER)


def _data(keys: Keys, event: Event) -> dict[str, Any]:
    from retraced.cli.timeline import event_data

    return {
        "id": event.job,
        "stream": keys.stream_name,
        "group": keys.group_name,
        **event_data(event),
    }


def _nothing(narrowed: bool) -> str:
    if narrowed:
        return "no such event in that time; without --since older ones are shown, if they are kept"
    return "no such event is kept; `--follow` shows those that come"
