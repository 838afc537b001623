"""`retraced jobs`: the jobs of a stream in every state: list, show, export, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.asked import Asked, Verb, bulk_options
from retraced.cli.session import Session

if TYPE_CHECKING:
    from retraced.store.connection import Link

CANCEL = Verb("cancel", "cancelled")
_STATES = ("queued", "held", "delayed", "dead", "done", "cancelled", "vanished", "purged")


@click.group(epilog="Example: retraced jobs list emails --group mail state=held")
def jobs() -> None:
    """Find jobs in any state, look at one, cancel some."""


@jobs.command(
    name="list",
    epilog="""
\b
Examples:
  retraced jobs list emails --group mail
  retraced jobs list emails --group mail --state delayed --state dead
  retraced jobs list emails --group mail state=held age>10m
  retraced jobs list emails --group mail 'error:"connection refused"' payload.user=43

FILTER: terms FIELD OP VALUE, all of which must hold. OP is : (contains), = != < or >; FIELD is
state, type, id, age, attempt, error, fingerprint, reason, worker, release, key, header.NAME or
payload.PATH (payload.user.id, payload.to.0). A value with spaces goes into quotes.

Order: held, ready, unread, delayed (by due time), dead (by death), ended (by their end, while
their record is kept). A job that succeeded at once has no record: `trace` finds it, and `events`.

JSON, for each job: id, state, place (held, held-again, ready, unread, delayed, dead, ended), type
(null: the stream's name, or not known), attempts (charged so far), added_at, age_ms, due_at,
since_at (of a death or an end), worker, release, idle_ms, delivery, reason, error, position (for
--after).
""",
)
@click.argument("stream")
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these.")
@click.option("--oldest", is_flag=True, help="In each place the oldest first, not the newest.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option(
    "--after", "--before", "beyond", metavar="PLACE", help="Go on, as the last page said."
)
@click.option(
    "--scan",
    default=10_000,
    show_default=True,
    type=click.IntRange(1, 10_000_000),
    metavar="N",
    help="Look at so many jobs at most.",
)
@click.pass_obj
def list_(
    session: Session,
    stream: str,
    words: tuple[str, ...],
    *,
    group: str,
    states: tuple[str, ...],
    oldest: bool,
    limit: int,
    beyond: str | None,
    scan: int,
) -> None:
    """List the jobs of a group that match FILTER, newest first in each place."""
    from retraced.cli.jobs import listed
    from retraced.cli.listing import for_people
    from retraced.cli.summary import say_paused
    from retraced.filter import Filter
    from retraced.store.arrivals import Pause, pause_of
    from retraced.store.reads.jobs import Cursor, Listing, count_places, list_jobs

    wanted = Filter.parse(words)
    start = None if beyond is None else Cursor.parse(beyond)

    async def work(link: Link) -> tuple[Listing, listed.Counts, Pause | None]:
        from retraced.cli.lookup import found_group

        keys, _ = await found_group(link, stream, group)
        page = await list_jobs(
            link, keys, states=states, wanted=wanted, newest=not oldest, beyond=start,
            limit=limit, budget=scan,
        )  # fmt: skip
        return page, await count_places(link, keys), await pause_of(link, keys)

    page, counts, paused = session.run(work)
    narrowed = bool(wanted or states)
    listed.print_page(
        session, page, counts, narrowed=narrowed, where=f"in group {group} of {stream}"
    )
    listed.print_rest(session, page, full=len(page.rows) == limit)
    if for_people(session):
        say_paused(stream, group, paused)


@jobs.command(
    epilog="""
\b
Examples:
  retraced jobs show emails 1795501170340-0
  retraced jobs show emails 1795501170340-0 --group mail --no-payload

JSON: id, stream, added_at, fields (name to value, as they were added; null: nobody has them any
more; without the payload's with --no-payload), payload (as JSON, else as text), and groups: group,
state, where, next, due_at, attempts, deliveries, reason, error, paused, step (what to do).
"""
)
@click.argument("stream")
@click.argument("job", metavar="ID")
@click.option("--group", metavar="G", help="Only in this group.")
@click.option("--no-payload", is_flag=True, help="Hide what the job is about.")
@click.pass_obj
def show(session: Session, stream: str, job: str, *, group: str | None, no_payload: bool) -> None:
    """Show one job: its fields and payload, where it is in each group, and the next step.

    `retraced trace` tells how it came there.
    """
    from retraced.cli.jobs.shown import Found, find, print_job
    from retraced.cli.lookup import job_id

    wanted = job_id(job)

    async def work(link: Link) -> Found:
        return await find(link, stream, wanted, group)

    print_job(session, session.run(work), payload=not no_payload)


@jobs.command(
    epilog="""
\b
Examples:
  retraced jobs export emails waiting.jsonl --group mail state=queued
  retraced jobs export emails - --group mail payload.campaign=7 | gzip > c.gz

\b
JSON, one line for each job: all keys of `jobs list`, and
  retraced    "job"
  stream, group, type_field
  fields      [[name, value], ...] as they were added; what isn't UTF-8
              stands as {"base64": "..."}

\b
To add them again, as new jobs of the same stream or another one:
  retraced add emails --ndjson waiting.jsonl
"""
)
@click.argument("stream")
@click.argument("file", metavar="FILE|-")
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.pass_obj
def export(session: Session, stream: str, file: str, words: tuple[str, ...], *, group: str) -> None:
    """Write the jobs that a group has still to do to FILE, as JSON lines.

    Those queued, held and delayed, or what of them matches FILTER; for dead ones there is `dlq
    export`. Nothing is changed in Redis. An existing FILE isn't overwritten.
    """
    from retraced.cli.jobs.exported import export_all
    from retraced.filter import Filter

    export_all(session, stream, group, file, Filter.parse(words))


@jobs.command(
    epilog="""
\b
Examples:
  retraced jobs cancel emails 1795501170340-0
  retraced jobs cancel emails --group mail type=newsletter --dry-run
  retraced jobs cancel emails --group mail payload.campaign=7 --yes

Ids that are named are cancelled at once; a FILTER and --all are counted first and want --yes.
FILTER is the same as in `jobs list`.

JSON, for each job and group: id, group, result (cancelled, refused, missing), why (what happens
now). With -o json after a FILTER: done, refused, missing, not_done (the first ten).
With --dry-run: would, count, of, examples.
"""
)
@click.argument("stream")
@bulk_options(CANCEL)
@click.option("--group", metavar="G", help="Only in this group, not in all of the stream.")
@click.pass_obj
def cancel(session: Session, stream: str, *, group: str | None, asked: Asked) -> None:
    """Cancel jobs: one that waits ends, one that runs is told within 1.5 s.

    In all groups of the stream, unless one is named. A delayed job ends at once; one in the queue
    when it would be started; a running handler is cancelled, and the story says by whom.
    """
    from retraced.cli.bulk import Outcome, report
    from retraced.cli.jobs.cancelled import cancel_all

    async def work(link: Link) -> Outcome:
        return await cancel_all(session, link, stream, group, asked=asked, verb=CANCEL)

    outcome = session.run(work)
    where = f"in group {group} of {stream}" if group else f"in the groups of {stream}"
    report(session, outcome, asked=asked, verb=CANCEL, where=where)
