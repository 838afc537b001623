"""`retraced delayed`: what waits for its due time: list it, run it now, cancel it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from retraced.cli.asked import Asked, Verb, bulk_json, bulk_options
from retraced.cli.options import group_option, page_options
from retraced.cli.prose import note
from retraced.cli.session import Session

if TYPE_CHECKING:
    from retraced.cli.bulk import Candidate
    from retraced.cli.bulkresult import BulkResult
    from retraced.cli.listing import Row
    from retraced.keys import Keys
    from retraced.store.connection import Link
    from retraced.store.reads.jobs import Cursor, JobRow, Listing
    from retraced.store.reads.pause import Pause
    from retraced.store.scripts import Call
    from retraced.store.writes import Verdict

RUN_NOW = Verb(
    "run now", "queued", "delayed job", repeated="one that ran and waits anew is run at once again"
)
CANCEL = Verb("cancel", "cancelled", "delayed job")

_COLUMNS = ("job", "type", "due", "reason", "attempts", "error")


@click.group(epilog="Example: retraced delayed list emails --group mail")
def delayed() -> None:
    """Look at the jobs that wait for their due time; run them now or cancel them."""


@delayed.command(
    name="list",
    epilog="""
\b
Examples:
  retraced delayed list emails --group mail
  retraced delayed list emails --group mail reason=retry error:refused
  retraced delayed list emails --group mail type=report 'attempt>2'

FILTER is the same as in `jobs list`; age is how long ago a job was added, not how long it has been
delayed. REASON: retry (it failed), scheduled (its delay or run_at), snooze, unhandled (no worker
has a handler for its type), crashed (its process died), unstarted.

JSON, for each job: id, type (null: the stream's name), due_at (RFC 3339), due_ms (Unix), due_in_ms,
reason, attempts (charged so far), error, added_at, added_ms, position (for --after).
""",
)
@click.argument("stream")
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@group_option()
@page_options("delayed")
@click.pass_obj
def list_(
    session: Session,
    stream: str,
    words: tuple[str, ...],
    *,
    group: str,
    limit: int,
    after: Cursor | None,
    scan: int,
) -> None:
    """List delayed jobs that match FILTER, those due soonest first."""
    from retraced.cli.listing import for_people, print_rest, show
    from retraced.cli.pausewords import say_paused
    from retraced.cli.remedy import where
    from retraced.filter import Filter

    wanted = Filter.parse(words)

    async def work(link: Link) -> tuple[Listing, int, Pause | None]:
        from retraced.cli.lookup import found_group
        from retraced.store.reads.jobs import Place, count_places, list_jobs
        from retraced.store.reads.pause import pause_of

        keys, _ = await found_group(link, stream, group)
        page = await list_jobs(
            link, keys, states=["delayed"], wanted=wanted, newest=False, beyond=after,
            limit=limit, budget=scan,
        )  # fmt: skip
        total = (await count_places(link, keys))[Place.DELAYED] or 0
        return page, total, await pause_of(link, keys)

    page, total, paused = session.run(work)
    kind = "delayed jobs match" if wanted and total else "jobs are delayed"
    rows = [_row(each, page.now_ms) for each in page.rows]
    nothing = f"no {kind} {where(stream, group)}"
    show(session, rows, _COLUMNS, flexible="error", empty=nothing)
    if for_people(session) and len(rows) < total:
        among = f"out of {page.looked:,} looked at, of" if wanted else "of"
        note(f"{len(rows):,} {among} {total:,} delayed jobs are shown")
    print_rest(session, page.next, looked=page.looked, full=len(rows) == limit)
    if for_people(session):
        say_paused(stream, group, paused)


@delayed.command(
    name="run-now",
    epilog=f"""
\b
Examples:
  retraced delayed run-now emails 1795501170340-0 --group mail
  retraced delayed run-now emails --group mail error:refused --dry-run
  retraced delayed run-now emails --group mail --all --rate 50/s --yes
{bulk_json(RUN_NOW)}""",
)
@click.argument("stream")
@group_option()
@bulk_options(RUN_NOW)
@click.pass_obj
def run_now_(session: Session, stream: str, *, group: str, asked: Asked) -> None:
    """Put delayed jobs into the queue now.

    Whatever their due time; the story says who did it.
    """
    from retraced.store.writes import run_now

    _act(session, stream, group, asked=asked, verb=RUN_NOW, write=run_now)


@delayed.command(
    epilog=f"""
\b
Examples:
  retraced delayed cancel emails 1795501170340-0 --group mail
  retraced delayed cancel emails --group mail type=newsletter --dry-run
  retraced delayed cancel emails --group mail reason=unhandled --yes
{bulk_json(CANCEL)}"""
)
@click.argument("stream")
@group_option()
@bulk_options(CANCEL)
@click.pass_obj
def cancel(session: Session, stream: str, *, group: str, asked: Asked) -> None:
    """End delayed jobs for good; the story says who did it.

    One that isn't delayed is refused: `jobs cancel` ends those in the queue, and running ones.
    """
    from retraced.store.writes import cancel

    only_delayed = partial(cancel, only_delayed=True)
    _act(session, stream, group, asked=asked, verb=CANCEL, write=only_delayed)


def _act(
    session: Session,
    stream: str,
    group: str,
    *,
    asked: Asked,
    verb: Verb,
    write: Callable[..., Call[Verdict]],
) -> None:
    from retraced.cli.bulk import Each, act_on
    from retraced.cli.bulkresult import report
    from retraced.cli.remedy import where

    async def work(link: Link) -> BulkResult:
        from retraced.cli.lookup import found_group
        from retraced.store.reads.jobs import Place, count_places

        keys, _ = await found_group(link, stream, group)
        total = None if asked.ids else (await count_places(link, keys))[Place.DELAYED]
        act, pages = Each(link, keys, write, asked.by), _candidates(link, keys, asked)
        return await act_on(
            pages, act, session=session, asked=asked, verb=verb, total=total,
            again=lambda: _candidates(link, keys, asked),
        )  # fmt: skip

    report(session, session.run(work), asked=asked, verb=verb, where=where(stream, group))


def _candidates(link: Link, keys: Keys, asked: Asked) -> AsyncIterator[Sequence[Candidate]]:
    from retraced.cli.bulk import named
    from retraced.store.reads.jobs import Place, matching

    if asked.ids:
        return named(asked.ids)
    return matching(link, keys, wanted=asked.filter, places=[Place.DELAYED])


def _row(row: JobRow, now_ms: int) -> Row:
    from retraced.cli.jobs.rows import due_words, job_data
    from retraced.cli.listing import Row, first_line

    due_ms = row.due_ms or 0
    known = job_data(row, now_ms)
    data = {name: known[name] for name in _KEYS} | {"due_in_ms": due_ms - now_ms}
    shown = {
        "job": row.job,
        "type": row.type,
        "due": due_words(due_ms, now_ms),
        "reason": row.reason,
        "attempts": row.attempt,
        "error": first_line(row.error),
    }
    return Row(data, shown)


_KEYS = (
    "id", "type", "due_at", "due_ms", "reason", "attempts", "error", "added_at", "added_ms",
    "position",
)  # fmt: skip
