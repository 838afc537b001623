"""`retraced pause` and `retraced resume`: stop and go on with the handing out of a group's jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.listing import Row, for_people, show, when
from retraced.cli.lookup import found_group, person
from retraced.cli.options import group_option
from retraced.cli.pausewords import pause_data, paused_words
from retraced.cli.prose import note
from retraced.cli.remedy import command
from retraced.cli.session import Session
from retraced.cli.words import plural

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.groups import GroupSummary

_COLUMNS = ("stream", "group", "paused", "since", "by", "why")

_JSON = """
JSON: id (the group), stream, paused, pause (by, since_at, since_ms, why; null if it isn't paused),
changed (false: it was so already), held (jobs with workers).
"""

PAUSE = f"""
\b
Examples:
  retraced pause emails --group mail
  retraced pause emails --group mail --reason "the provider is down"

Running jobs end as ever, and are retried or buried as ever. Within 1.5 s nothing new starts, what
was fetched and not begun is given back, and nothing is promoted or taken over, until
`retraced resume`.
{_JSON}"""

RESUME = f"""
\b
Example:
  retraced resume emails --group mail
{_JSON}"""


@click.command(epilog=PAUSE)
@click.argument("stream")
@group_option("The group to pause.")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown wherever the group is.")
@click.pass_obj
def pause(session: Session, stream: str, *, group: str, reason: str) -> None:
    """Pause a group of STREAM: no more jobs start, running ones finish.

    Who, when and why is kept, and shown wherever the group is. Other groups go on.
    """

    async def work(link: Link) -> tuple[GroupSummary, bool]:
        from retraced.store.reads.groups import summary
        from retraced.store.writes import Ruling
        from retraced.store.writes import pause as pausing

        keys, facts = await found_group(link, stream, group)
        verdict = await link.run(pausing(keys, by=person(), why=reason))
        return await summary(link, keys, facts), verdict.ruling is Ruling.OK

    found, changed = session.run(work)
    if not changed:
        note(f"group {group} of {stream} was paused already: nothing was changed")
    show(session, [_row(found, changed)], _COLUMNS, flexible="why")
    note(_left(found))
    note(f"to go on: {command('resume', stream, '--group', group)}")


@click.command(epilog=RESUME)
@click.argument("stream")
@group_option("The group to resume.")
@click.pass_obj
def resume(session: Session, stream: str, *, group: str) -> None:
    """End the pause of a group of STREAM: its jobs start again within 1.5 s."""

    async def work(link: Link) -> tuple[GroupSummary, GroupSummary, bool]:
        from retraced.store.reads.groups import summary
        from retraced.store.writes import Ruling
        from retraced.store.writes import resume as resuming

        keys, facts = await found_group(link, stream, group)
        before = await summary(link, keys, facts)
        verdict = await link.run(resuming(keys, by=person()))
        return before, await summary(link, keys, facts), verdict.ruling is Ruling.OK

    before, found, changed = session.run(work)
    if not changed:
        note(f"group {group} of {stream} isn't paused: nothing was changed")
    elif before.pause is not None:
        note(f"resumed group {group} of {stream}; it was {paused_words(before.pause)}")
    if not for_people(session):
        show(session, [_row(found, changed)], _COLUMNS)
    if not found.workers:
        note("no worker of this group is alive: nothing starts until one is")


def _row(group: GroupSummary, changed: bool) -> Row:
    pause, name, stream = group.pause, group.group.decode(), group.stream.decode()
    data = {
        "id": name,
        "stream": stream,
        "paused": group.paused,
        "pause": pause_data(pause),
        "changed": changed,
        "held": group.counts.held,
    }
    shown = {
        "stream": stream,
        "group": name,
        "paused": group.paused,
        "since": pause and when(pause.since_ms),
        "by": pause and pause.by,
        "why": pause and (pause.why or None),
    }
    return Row(data, shown)


def _left(group: GroupSummary) -> str:
    if not group.counts.held:
        return "nothing is held; nothing starts until the group is resumed"
    held = plural(group.counts.held, "job")
    return f"{held} held: what runs finishes, what hasn't begun is given back"
