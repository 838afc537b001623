"""`retraced dlq purge`: removes dead letters for good, after saying what is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from retraced.cli.asked import Asked, Verb, bulk_options
from retraced.cli.session import Session
from retraced.errors import NotFound, Refused

if TYPE_CHECKING:
    from retraced.cli.dlq.selection import Place, Wanted
    from retraced.cli.outcome import Outcome, Result
    from retraced.store.connection import Link

_VERB = Verb("purge", "purged", "dead letter")


@click.command(
    epilog="""
\b
Examples:
  retraced dlq purge emails --group mail reason=expired --dry-run
  retraced dlq export emails dead.jsonl --group mail reason=expired
  retraced dlq purge emails --group mail reason=expired --yes

Only this group's dead letters go; other groups keep theirs. What is gone is the job's fields and
payload. Its story stays for 7 days.

JSON (jsonl: a line for each job as it is done): id, result (purged, refused, missing), why.
With -o json for a FILTER or --all: done, refused, missing, not_done (the first ten).
With --dry-run: would, count, of, examples.
"""
)
@click.argument("stream")
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@bulk_options(_VERB)
@click.pass_obj
def purge(session: Session, stream: str, *, group: str, asked: Asked) -> None:
    """Remove dead letters for good.

    By ID, by FILTER or all; it always wants --yes.
    """
    from retraced.cli.bulk import report

    if not asked.yes and not asked.dry_run:
        click.echo(
            "what is purged can't be brought back: fields and payload are lost, the story\n"
            "stays for 7 days; to keep a copy: retraced dlq export",
            err=True,
        )
    outcome = session.run(lambda link: _purge(link, session, stream, group, asked))
    report(session, outcome, asked=asked, verb=_VERB, where=f"in group {group} of {stream}")


async def _purge(link: Link, session: Session, stream: str, group: str, asked: Asked) -> Outcome:
    from retraced.cli.bulk import act_on
    from retraced.cli.dlq.selection import Place, wanted
    from retraced.store.reads.dead import count_dead

    place = await Place.found(link, stream, group)
    if asked.ids and not asked.yes and not asked.dry_run:
        await _refuse(place, asked)
    return await act_on(
        wanted(place, asked),
        _Purge(place, asked.by),
        session=session,
        asked=asked,
        verb=_VERB,
        total=None if asked.ids else await count_dead(link, place.keys),
    )


async def _refuse(place: Place, asked: Asked) -> None:
    """Raises Refused with what would be lost, NotFound if nothing would."""
    from retraced.cli.dlq.selection import wanted
    from retraced.cli.listing import first_line, shortened
    from retraced.cli.output import printable
    from retraced.cli.summary import plural

    letters = [each.letter async for page in wanted(place, asked) for each in page if each.letter]
    if not letters:
        raise NotFound(f"none of these jobs is a dead letter {place.name}")
    first = letters[0]
    error = shortened(printable(first_line(first.error)), 60)
    raise Refused(
        f"would purge {plural(len(letters), 'dead letter')}, first {first.job.decode()} "
        f"({first.reason}: {error}); say --yes"
    )


class _Purge:
    """Removes dead letters of one group."""

    def __init__(self, place: Place, by: str) -> None:
        self._place = place
        self._by = by

    async def __call__(self, wanted: Sequence[Wanted]) -> list[Result]:
        from retraced.cli.bulk import rule
        from retraced.store.writes import purge as purge_call

        calls = []
        for each in wanted:
            entry = each.letter.entry if each.letter else b""
            call = purge_call(self._place.keys, each.job, by=self._by, entry=entry)
            calls.append((each.job, call))
        return await rule(self._place.link, calls)
