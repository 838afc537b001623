"""`retraced dlq list`: dead letters in pages, newest first, or counted by what they have in common.

Both look through a bounded number of letters and say how far they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from retraced.cli.session import Session
from retraced.errors import UsageError

if TYPE_CHECKING:
    from retraced.cli.dlq.scan import Looked, Span
    from retraced.filter import Filter
    from retraced.store.connection import Link
    from retraced.store.reads.dead import DeadLetter

_KINDS = ("error", "type", "reason")
_MOST_LOOKED_THROUGH = 100_000


@click.command(
    name="list",
    epilog="""
\b
Examples:
  retraced dlq list emails --group mail
  retraced dlq list emails --group mail --by error
  retraced dlq list emails --group mail type=send error:refused 'age<2h'
  retraced dlq list emails --group mail --limit 20 --before 1795501170340-0

FILTER: terms field op value; op one of : (contains) = != < > ; fields type, id, age, attempt,
error, fingerprint, reason, worker, release, key, header.NAME, payload.PATH.

JSON, for each dead letter: id (the job's), entry (its id in the dead-letter stream), type (null:
the stream's name), reason, error, fingerprint (of the error), attempts, deliveries, crashes,
died_at (RFC 3339), died_ms.

With --by: by, value (of a FILTER; null for a job without a type), count, template (of the error),
oldest_at, newest_at, oldest_ms, newest_ms, example (a job's id). Errors that differ only in
numbers, ids and quoted values have one template and one fingerprint.
""",
)
@click.argument("stream")
@click.argument("words", metavar="[ID|FILTER]...", nargs=-1)
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.option("--by", type=click.Choice(_KINDS), help="Count them by what they have in common.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--before", metavar="ENTRY", help="Older ones than this, as the last page said.")
@click.option(
    "--scan",
    metavar="N",
    default=_MOST_LOOKED_THROUGH,
    show_default=True,
    type=click.IntRange(1),
    help="Look through at most so many.",
)
@click.pass_obj
def list_(
    session: Session,
    stream: str,
    words: tuple[str, ...],
    *,
    group: str,
    by: str | None,
    limit: int,
    before: str | None,
    scan: int,
) -> None:
    """List dead letters, or count them by error.

    Newest first; with --by the most frequent first.
    """
    from retraced.cli.asked import split_words
    from retraced.cli.dlq.scan import Span
    from retraced.cli.lookup import job_id

    ids, condition = split_words(words)
    if ids and (condition or by or before):
        raise UsageError("ids stand alone, without a FILTER, --by and --before")
    start = None if before is None else job_id(before)
    span = Span(stream, group, before=start, scan=scan)
    if by:
        _count(session, span, by, condition=condition, limit=limit)
    else:
        _list(session, span, ids, condition=condition, limit=limit)


def _list(
    session: Session, span: Span, ids: Sequence[bytes], *, condition: Filter, limit: int
) -> None:
    from retraced.cli.dlq.rows import COLUMNS, letter_row
    from retraced.cli.dlq.scan import find, named
    from retraced.cli.dlq.selection import Place
    from retraced.cli.listing import show

    async def work(link: Link) -> tuple[Looked, list[DeadLetter]]:
        place = await Place.found(link, span.stream, span.group)
        if ids:
            return await named(place, ids)
        return await find(place, span, condition, limit=limit)

    looked, found = session.run(work)
    rows = [letter_row(letter, looked.now_ms) for letter in found]
    show(session, rows, COLUMNS, flexible="error", empty=_nothing(span, looked))
    _say_how_far(session, looked, shown=len(rows), filtered=bool(condition))


def _count(session: Session, span: Span, by: str, *, condition: Filter, limit: int) -> None:
    from retraced.cli.dlq import census
    from retraced.cli.dlq.scan import count
    from retraced.cli.dlq.selection import Place

    async def work(link: Link) -> tuple[Looked, census.Census]:
        place = await Place.found(link, span.stream, span.group)
        counted = census.Census(by)
        return await count(place, span, condition, counted), counted

    looked, counted = session.run(work)
    census.show(session, counted, now_ms=looked.now_ms, limit=limit, empty=_nothing(span, looked))
    _say_how_far(session, looked, shown=0, filtered=bool(condition))
    census.say_what_next(session, counted, span.stream, span.group)


def _nothing(span: Span, looked: Looked) -> str:
    where = f"in group {span.group} of {span.stream}"
    if not looked.total:
        return f"no dead letters {where}: nothing to do"
    if not looked.seen:
        return f"no older ones {where}"
    return f"none of the {looked.seen:,} dead letters that were looked at {where} matches"


def _say_how_far(session: Session, looked: Looked, *, shown: int, filtered: bool) -> None:
    """On stderr: where a page ends (for people), and where a look ended before the last letter."""
    from retraced.cli.listing import for_people, when

    if looked.full and for_people(session):
        of = f"out of {looked.seen:,} looked at" if filtered else f"of {looked.total:,}"
        click.echo(
            f"{shown:,} {of} are shown; the next page: --before {looked.last.decode()}", err=True
        )
    elif looked.cut:
        click.echo(
            f"looked through {looked.seen:,} of {looked.total:,} dead letters, back to "
            f"{when(looked.last_ms)} UTC; further back: --before {looked.last.decode()}, "
            "or a larger --scan",
            err=True,
        )
