"""`retraced groups list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.listing import Row, for_people, show
from retraced.cli.lookup import found_stream
from retraced.cli.session import Session
from retraced.cli.summary import GROUP_COLUMNS, explain, group_data, group_shown

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.groups import GroupSummary

COLUMNS = ("stream", "group", *GROUP_COLUMNS)

EXAMPLES = """
\b
Examples:
  retraced groups list
  retraced groups list emails
  retraced -o json groups list emails

NOTE says that a group is paused, or how long the oldest job that could start has waited; and how
many cancels wait: such jobs are still counted, and end instead of being started.

JSON, for each group: id, stream, exists (in the stream), unread, unread_exact (false: at least so
many), held, ready, delayed, dead, workers, cancels (that wait), oldest_waiting_ms, paused, pause
(by, since_at, since_ms, why), last_delivered_id, visibility_timeout_ms.
"""


@click.command(name="list", epilog=EXAMPLES)
@click.argument("stream", required=False)
@click.pass_obj
def list_(session: Session, stream: str | None) -> None:
    """List the groups of STREAM, or of all streams.

    With how many jobs are where.
    """

    async def work(link: Link) -> list[GroupSummary]:
        return await _listed(link, stream)

    groups = session.run(work)
    rows = [row(group) for group in groups]
    show(
        session,
        rows,
        COLUMNS,
        flexible="note",
        below=("note",),
        empty=_no_groups(stream or "STREAM"),
    )
    if for_people(session):
        explain(groups)


def row(group: GroupSummary) -> Row:
    """How many jobs of a group are where, for people and programs."""
    name, stream = group.group.decode(), group.stream.decode()
    return Row(
        {"id": name, "stream": stream, **group_data(group)},
        {"stream": stream, "group": name, **group_shown(group)},
    )


async def _listed(link: Link, stream: str | None) -> list[GroupSummary]:
    from retraced.store.reads.groups import groups_of, known_groups, summaries

    if stream is not None:
        ours, _ = await groups_of(link, await found_stream(link, stream))
        return await summaries(link, stream, ours)
    by_stream: dict[str, list[str]] = {}
    for name, group in await known_groups(link):
        by_stream.setdefault(name, []).append(group)
    found = []
    for name, names in by_stream.items():
        found += await summaries(link, name, names)
    return found


def _no_groups(stream: str) -> str:
    from retraced.cli.remedy import command, consume

    return (
        f"there are no groups yet. `{command('groups', 'create', stream, '--group', 'G')}` makes "
        f"one, or `{consume(stream, 'G')}` at its start"
    )
