"""`retraced groups show`: all that there is to know about one group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.listing import for_people
from retraced.cli.lookup import found_group
from retraced.cli.options import group_option
from retraced.cli.session import Session

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.portrait import Portrait

EXAMPLES = """
\b
Examples:
  retraced groups show emails --group mail
  retraced -o json groups show emails --group mail

Rates are events a minute; FAILED are attempts that are tried again. In a group that has been
counted for less than a minute they are the counts so far. Times are those of the last hour, which
workers tell every 10 s: WAIT from when a job was added or due until it began, RUN of attempts that
ended.

JSON: all of `groups list`; settled_up_to (an id: what was added before it is settled),
created_at, created_ms, protocol, visibility_timeout_ms, facts (those that are set, by name),
retain, workers_alive (each: id, stalled, running, slots, release), rates (minute, five, hour; of
each: over_ms, added, completed, failed, dead, reclaimed), totals (of all events, by name), times
(of the last hour; each: type, null for all together, count, wait_p50_ms, wait_p95_ms, wait_p99_ms,
run_p50_ms, run_p95_ms, run_p99_ms).
"""


@click.command(name="show", epilog=EXAMPLES)
@click.argument("stream")
@group_option("The group to show.")
@click.pass_obj
def show_(session: Session, stream: str, *, group: str) -> None:
    """Show one group of STREAM.

    Its jobs, workers, rates, times, facts, caps, and who paused it.
    """
    from retraced.cli.groups.portrait import as_data, lines

    async def work(link: Link) -> Portrait:
        from retraced.store.reads.portrait import portrait

        keys, facts = await found_group(link, stream, group)
        return await portrait(link, keys, facts)

    found = session.run(work)
    if for_people(session):
        for line in lines(found):
            click.echo(line)
    else:
        session.emit([as_data(found)], ["id"])
