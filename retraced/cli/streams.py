"""`retraced streams`: the streams that ReTraced works, and where their jobs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.listing import Row, for_people, show
from retraced.cli.session import Session
from retraced.cli.summary import GROUP_COLUMNS, explain, group_data, group_shown

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.groups import GroupSummary, StreamFacts

_COLUMNS = ("stream", "entries", "group", *GROUP_COLUMNS)

EXAMPLES = """
\b
Examples:
  retraced streams
  retraced -o json streams

UNREAD: entries that the group hasn't been given yet, counted by ids, at most 10,000 of them.
HELD: with a worker. READY: due, waiting for a worker. DELAYED: waiting for their time. DEAD: in
the dead-letter stream. ENTRIES are jobs that at least one group hasn't settled or moved, and
those that the stream retains. NOTE (below a row where it has no room): paused, or how long the
oldest job waits that could start; and how many cancels wait: such jobs are still counted, and end
instead of being started.

JSON, for each stream: id, entries, groups; of each group: group, exists, unread, unread_exact,
held, ready, delayed, dead, workers, cancels (that wait), oldest_waiting_ms, paused, pause (by,
since_at, since_ms, why), last_delivered_id, visibility_timeout_ms.
"""


@click.command(epilog=EXAMPLES)
@click.pass_obj
def streams(session: Session) -> None:
    """Show all streams with their groups: what waits, runs, is delayed, died."""

    async def work(link: Link) -> list[tuple[StreamFacts, list[GroupSummary]]]:
        from retraced.store.reads.groups import known_groups, stream_facts, summaries

        names: dict[str, list[str]] = {}
        for stream, group in await known_groups(link):
            names.setdefault(stream, []).append(group)
        return [
            (await stream_facts(link, stream.encode()), await summaries(link, stream, groups))
            for stream, groups in names.items()
        ]

    found = session.run(work)
    rows = [row for facts, groups in found for row in _rows(facts, groups)]
    show(session, rows, _COLUMNS, flexible="note", below=("note",), spare=("entries",), empty=_NONE)
    if for_people(session):
        explain(group for _, groups in found for group in groups)


_NONE = (
    "no streams yet. Add a job (`retraced add emails to=ada@example.org`, or XADD) and start a "
    "worker (`retraced consume emails --group mail --exec ./send.sh`)"
)


def _rows(facts: StreamFacts, groups: list[GroupSummary]) -> list[Row]:
    """One row a stream for programs; for people one a group."""
    data = {
        "id": facts.name,
        "entries": facts.entries,
        "groups": [{"group": group.group, **group_data(group)} for group in groups],
    }
    shown = [
        {"stream": facts.name, "entries": facts.entries, "group": g.group, **group_shown(g)}
        for g in groups
    ]
    return [Row(data if place == 0 else None, row) for place, row in enumerate(shown)]
