"""`retraced jobs list`: jobs in every state, in pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.options import group_option, page_options
from retraced.cli.session import Session
from retraced.errors import UsageError
from retraced.filter import STATES

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.jobs import AllCounts, Cursor, Listing
    from retraced.store.reads.pause import Pause

_LISTED = tuple(state for state in STATES if state != "unknown")


@click.command(
    name="list",
    epilog="""
\b
Examples:
  retraced jobs list emails --group mail
  retraced jobs list emails --group mail --state delayed --state dead
  retraced jobs list emails --group mail state=held 'age>10m'
  retraced jobs list emails --group mail 'error:"no route"' payload.user=43

FILTER: terms FIELD OP VALUE, all of which must hold. OP is : (contains), = != < or >; FIELD is
state, type, id, age (how long ago it was added: 'age>10m'), died (of dead ones: how long ago they
died, whenever they were added: 'died<2h'), attempt, error, fingerprint, reason, worker, release,
key, header.NAME or payload.PATH (payload.user.id, payload.to.0). A value with spaces goes into
quotes; a term with < or > too, all of it, because of the shell.

Order: held, ready, unread, delayed (by due time), dead (by death), ended (by their end, while
their record is kept). A job that succeeded at once has no record: `trace` finds it, and `events`.

JSON, for each job: id, state, place (held, held-again, ready, unread, delayed, dead, ended), type
(null: the stream's name, or not known), attempts (charged so far), added_at (RFC 3339), added_ms
(Unix), age_ms, due_at, due_ms, since_at, since_ms (of a death or an end), worker, release, idle_ms,
delivery, cancel_requested (it ends before its next step), reason, error, position (for --after).
""",
)
@click.argument("stream")
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@group_option()
@click.option("--state", "states", multiple=True, type=click.Choice(_LISTED), help="Only these.")
@click.option("--oldest", is_flag=True, help="In each place the oldest first, not the newest.")
@page_options()
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
    after: Cursor | None,
    scan: int,
) -> None:
    """List the jobs of a group that match FILTER.

    Newest first in each place.
    """
    from retraced.cli.jobs.rows import print_page
    from retraced.cli.listing import for_people, print_rest
    from retraced.cli.pausewords import say_paused
    from retraced.cli.remedy import where
    from retraced.filter import Filter

    wanted = Filter.parse(words)
    if not any(wanted.allows(state) for state in states or _LISTED):
        raise UsageError(
            "no job can match: --state and the FILTER leave no state; a list knows "
            + ", ".join(_LISTED)
        )

    async def work(link: Link) -> tuple[Listing, AllCounts, Pause | None]:
        from retraced.cli.lookup import found_group
        from retraced.store.reads.jobs import count_all, list_jobs
        from retraced.store.reads.pause import pause_of

        keys, facts = await found_group(link, stream, group)
        page = await list_jobs(
            link, keys, states=states, wanted=wanted, newest=not oldest, beyond=after,
            limit=limit, budget=scan,
        )  # fmt: skip
        return page, await count_all(link, keys, facts), await pause_of(link, keys)

    page, counts, paused = session.run(work)
    narrowed = bool(wanted or states)
    print_page(session, page, counts, narrowed=narrowed, where=where(stream, group))
    print_rest(session, page.next, looked=page.looked, full=len(page.rows) == limit)
    if for_people(session):
        say_paused(stream, group, paused)
