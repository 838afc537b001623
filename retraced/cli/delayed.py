"""`retraced delayed`: what waits for its due time: list it, run it now, cancel it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from retraced.cli.asked import Asked, Verb, bulk_options
from retraced.cli.session import Session

if TYPE_CHECKING:
    from retraced.cli.bulk import Candidate, Outcome, Result
    from retraced.keys import Keys
    from retraced.store.connection import Link
    from retraced.store.reads.jobs import JobRow, Listing
    from retraced.store.scripts import Call
    from retraced.store.writes import Verdict

RUN_NOW = Verb("run now", "queued", "delayed job")
CANCEL = Verb("cancel", "cancelled", "delayed job")

_COLUMNS = ("job", "type", "due", "why", "tries", "error")
_BULK_JSON = """
JSON, for each job: id, result ({done}, refused, missing), why. With -o json after a FILTER or
--all: done, refused, missing, not_done (the first ten). With --dry-run: would, count, of, examples.
"""


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
  retraced delayed list emails --group mail type=report attempt>2

FILTER is the same as in `jobs list`; reason is the column WHY: retry (it failed), scheduled (its
delay or run_at), snooze, unhandled (no worker has a handler for its type), crashed (its process
died), unstarted.

JSON, for each job: id, type (null: the stream's name), due_at, due_ms, due_in_ms, why, attempts
(charged so far), error, added_at, position (for --after).
""",
)
@click.argument("stream")
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--after", "beyond", metavar="PLACE", help="Go on as the last page said.")
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
    limit: int,
    beyond: str | None,
    scan: int,
) -> None:
    """List delayed jobs that match FILTER, those due soonest first."""
    from retraced.cli.jobs.listed import print_rest
    from retraced.cli.listing import for_people, show
    from retraced.cli.summary import say_paused
    from retraced.filter import Filter
    from retraced.store.arrivals import Pause, pause_of
    from retraced.store.reads.jobs import Cursor, Place, count_places, list_jobs

    wanted = Filter.parse(words)
    start = None if beyond is None else Cursor.parse(beyond)

    async def work(link: Link) -> tuple[Listing, int, Pause | None]:
        from retraced.cli.lookup import found_group

        keys, _ = await found_group(link, stream, group)
        page = await list_jobs(
            link, keys, states=["delayed"], wanted=wanted, newest=False, beyond=start,
            limit=limit, budget=scan,
        )  # fmt: skip
        total = (await count_places(link, keys))[Place.DELAYED] or 0
        return page, total, await pause_of(link, keys)

    page, total, paused = session.run(work)
    kind = "delayed jobs match" if wanted and total else "jobs are delayed"
    empty = f"no {kind} in group {group} of {stream}"
    rows = [_row(each, page.now_ms) for each in page.rows]
    show(session, rows, _COLUMNS, flexible="error", empty=empty)
    if for_people(session) and len(rows) < total:
        click.echo(f"{len(rows):,} of {total:,} delayed jobs are shown", err=True)
    print_rest(session, page, full=len(rows) == limit)
    if for_people(session):
        say_paused(stream, group, paused)


@delayed.command(
    name="run-now",
    epilog=f"""
\b
Examples:
  retraced delayed run-now emails 1795501170340-0 --group mail
  retraced delayed run-now emails --group mail reason=retry error:refused --dry-run
  retraced delayed run-now emails --group mail --all --rate 50/s --yes
{_BULK_JSON.format(done="queued")}""",
)
@click.argument("stream")
@bulk_options(RUN_NOW)
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.pass_obj
def run_now_(session: Session, stream: str, *, group: str, asked: Asked) -> None:
    """Put delayed jobs into the queue now, whatever their due time; the story says who did it."""
    from retraced.store.writes import run_now

    _act(session, stream, group, asked=asked, verb=RUN_NOW, write=run_now)


@delayed.command(
    epilog=f"""
\b
Examples:
  retraced delayed cancel emails 1795501170340-0 --group mail
  retraced delayed cancel emails --group mail type=newsletter --dry-run
  retraced delayed cancel emails --group mail reason=unhandled --yes
{_BULK_JSON.format(done="cancelled")}"""
)
@click.argument("stream")
@bulk_options(CANCEL)
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.pass_obj
def cancel(session: Session, stream: str, *, group: str, asked: Asked) -> None:
    """End delayed jobs for good; the story says who did it."""
    from retraced.store.writes import cancel

    _act(session, stream, group, asked=asked, verb=CANCEL, write=cancel)


@dataclass(frozen=True, slots=True)
class Named:
    """A job that was named on the command line."""

    job: bytes


@dataclass(frozen=True, slots=True)
class Acting:
    """Runs one script for each job of a group."""

    link: Link
    keys: Keys
    by: str
    write: Callable[..., Call[Verdict]]

    async def act(self, jobs: Sequence[Candidate]) -> list[Result]:
        """One call for each, in one pipeline."""
        from retraced.cli.bulk import rule

        calls = [(each.job, self.write(self.keys, each.job, by=self.by)) for each in jobs]
        return await rule(self.link, calls)


def _act(
    session: Session,
    stream: str,
    group: str,
    *,
    asked: Asked,
    verb: Verb,
    write: Callable[..., Call[Verdict]],
) -> None:
    from retraced.cli.bulk import act_on, report

    async def work(link: Link) -> Outcome:
        from retraced.cli.lookup import found_group
        from retraced.store.reads.jobs import Place, count_places

        keys, _ = await found_group(link, stream, group)
        total = None if asked.ids else (await count_places(link, keys))[Place.DELAYED]
        acting = Acting(link, keys, asked.by, write)
        pages = _candidates(link, keys, asked)
        return await act_on(pages, acting.act, session=session, asked=asked, verb=verb, total=total)

    outcome = session.run(work)
    report(session, outcome, asked=asked, verb=verb, where=f"in group {group} of {stream}")


async def _candidates(link: Link, keys: Keys, asked: Asked) -> AsyncIterator[Sequence[Candidate]]:
    from retraced.store.reads.jobs import Place, matching

    if asked.ids:
        yield [Named(job) for job in asked.ids]
        return
    async for page in matching(link, keys, wanted=asked.filter, places=[Place.DELAYED]):
        yield page


def _row(row: JobRow, now_ms: int) -> Any:
    from retraced.cli.jobs.listed import due_words, job_data
    from retraced.cli.listing import Row, first_line

    known, due_ms = job_data(row, now_ms), row.due_ms or 0
    data = {
        "id": row.job,
        "type": row.type,
        "due_at": known["due_at"],
        "due_ms": due_ms,
        "due_in_ms": due_ms - now_ms,
        "why": row.reason or None,
        "attempts": row.attempt,
        "error": row.error or None,
        "added_at": known["added_at"],
        "position": known["position"],
    }
    shown = {
        "job": row.job,
        "type": row.type,
        "due": due_words(due_ms, now_ms),
        "why": row.reason,
        "tries": row.attempt,
        "error": first_line(row.error),
    }
    return Row(data, shown)
