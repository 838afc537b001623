"""`retraced dlq list`: dead letters in pages, newest first, or counted by what they have in common.

Both look through a bounded number of letters and say how far they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from retraced.cli.options import group_option, page_options
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.errors import UsageError

if TYPE_CHECKING:
    from retraced.cli.dlq.scan import Looked, Span
    from retraced.filter import Filter
    from retraced.store.connection import Link
    from retraced.store.reads.dead import DeadLetter
    from retraced.store.reads.jobs import Cursor
    from retraced.store.reads.pause import Pause

_KINDS = ("error", "type", "reason", "release", "worker")
_MOST_LOOKED_THROUGH = 100_000
_ENTRY = "--after takes the place where a page ended: the letter's entry, not its job's id"


@click.command(
    name="list",
    epilog="""
\b
Examples:
  retraced dlq list emails --group mail
  retraced dlq list emails --group mail --by error
  retraced dlq list emails --group mail --by release 'died<2h'
  retraced dlq list emails --group mail type=send error:refused 'died<2h'
  retraced dlq list emails --group mail --after dead:1795501170340-0

FILTER: terms field op value; op one of : (contains) = != < > ; fields type, id, died (how long ago
it died: 'died<2h'), age (how long ago it was added), attempt, error, fingerprint, reason, worker,
release, key, header.NAME, payload.PATH. A term with < or > goes into quotes, because of the shell.

JSON, for each dead letter: id (the job's), entry (its id in the dead-letter stream), type (null:
the stream's name), reason, error, fingerprint (of the error), attempts, deliveries, crashes,
died_at, died_ms, position (for --after). Times: NAME_at is RFC 3339 in UTC, NAME_ms Unix time.

With --by: by, value (of a FILTER; null for a job without a type, and where the job's record is gone
or tells no release or worker of its death), count, template (of the error), oldest_at, oldest_ms,
newest_at, newest_ms, example (a job's id). Errors that differ only in
numbers, ids and quoted values have one template and one fingerprint; a new release may find
other templates, and so other fingerprints: take them from this list, don't store them.
""",
)
@click.argument("stream")
@click.argument("words", metavar="[ID|FILTER]...", nargs=-1)
@group_option()
@click.option("--by", type=click.Choice(_KINDS), help="Count them by what they have in common.")
@page_options("dead", scan=_MOST_LOOKED_THROUGH)
@click.pass_obj
def list_(
    session: Session,
    stream: str,
    words: tuple[str, ...],
    *,
    group: str,
    by: str | None,
    limit: int,
    after: Cursor | None,
    scan: int,
) -> None:
    """List dead letters, or count them by error.

    Newest first; with --by the most frequent first.
    """
    from retraced.cli.asked import split_words
    from retraced.cli.dlq.scan import Span
    from retraced.cli.listing import for_people
    from retraced.cli.pausewords import say_paused

    ids, condition = split_words(words)
    if ids and (condition or by or after):
        raise UsageError("ids stand alone, without a FILTER, --by and --after")
    span = Span(stream, group, before=after.position if after else None, scan=scan)
    if by:
        paused = _count(session, span, by, condition=condition, limit=limit)
    else:
        paused = _list(session, span, ids, condition=condition, limit=limit)
    if for_people(session):
        say_paused(stream, group, paused)


def _list(
    session: Session, span: Span, ids: Sequence[bytes], *, condition: Filter, limit: int
) -> Pause | None:
    """Prints a page of them; whether the group is paused."""
    from retraced.cli.dlq.letters import DeadLetters
    from retraced.cli.dlq.rows import COLUMNS, letter_row
    from retraced.cli.dlq.scan import find, named
    from retraced.cli.listing import for_people, show
    from retraced.store.reads.pause import pause_of

    async def work(link: Link) -> tuple[Looked, list[DeadLetter], Pause | None]:
        letters = await DeadLetters.found(link, span.stream, span.group)
        paused = await pause_of(link, letters.keys)
        if ids:
            return *await named(letters, ids), paused
        return *await find(letters, span, condition, limit=limit), paused

    looked, found, paused = session.run(work)
    rows = [letter_row(letter, looked.now_ms) for letter in found]
    show(session, rows, COLUMNS, flexible="error", empty=_nothing(span, looked))
    if looked.full and for_people(session):
        of = f"out of {looked.seen:,} looked at" if condition else f"of {looked.total:,}"
        note(f"{len(rows):,} {of} dead letters are shown")
    _say_how_to_go_on(session, looked)
    return paused


def _count(session: Session, span: Span, by: str, *, condition: Filter, limit: int) -> Pause | None:
    """Prints how many there are of each kind; whether the group is paused."""
    from retraced.cli.dlq import census
    from retraced.cli.dlq.letters import DeadLetters
    from retraced.cli.dlq.scan import count
    from retraced.store.reads.pause import pause_of

    async def work(link: Link) -> tuple[Looked, census.Census, Pause | None]:
        letters = await DeadLetters.found(link, span.stream, span.group)
        paused, counted = await pause_of(link, letters.keys), census.Census(by)
        return await count(letters, span, condition, counted), counted, paused

    looked, counted, paused = session.run(work)
    census.show(session, counted, now_ms=looked.now_ms, limit=limit, empty=_nothing(span, looked))
    _say_how_to_go_on(session, looked)
    census.say_what_next(session, counted, span.stream, span.group)
    return paused


def _nothing(span: Span, looked: Looked) -> str:
    from retraced.cli.remedy import where

    place = where(span.stream, span.group)
    if not looked.total:
        return f"no dead letters {place}: nothing to do"
    if not looked.seen and span.before:
        return f"no dead letter {place} is older than {span.before.decode()}; {_ENTRY}"
    return f"none of the {looked.seen:,} dead letters that were looked at {place} matches"


def _say_how_to_go_on(session: Session, looked: Looked) -> None:
    from retraced.cli.dlq.rows import position
    from retraced.cli.listing import print_rest

    after = position(looked.last) if looked.full or looked.cut else None
    print_rest(session, after, looked=looked.seen, full=looked.full, noun="dead letter")
