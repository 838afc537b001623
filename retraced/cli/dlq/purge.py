"""`retraced dlq purge`: removes dead letters for good, after saying what is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import click

from retraced.cli.asked import Asked, Verb, bulk_json, bulk_options
from retraced.cli.options import group_option
from retraced.cli.prose import note
from retraced.cli.session import Session

if TYPE_CHECKING:
    from retraced.cli.bulkresult import BulkResult, Result
    from retraced.cli.dlq.letters import DeadLetters, Wanted
    from retraced.store.connection import Link

_VERB = Verb("purge", "purged", "dead letter", always_asks=True)


@click.command(
    epilog="""
\b
Examples:
  retraced dlq purge emails --group mail reason=expired --dry-run
  retraced dlq export emails dead.jsonl --group mail reason=expired
  retraced dlq purge emails --group mail reason=expired --yes

FILTER is the same as in `dlq list`: died is how long ago it died, age how long ago it was added.
Only this group's dead letters go; other groups keep theirs. What is gone is the job's fields and
payload. Its story stays for 7 days.

"""
    + bulk_json(_VERB)
)
@click.argument("stream")
@group_option()
@bulk_options(_VERB)
@click.pass_obj
def purge(session: Session, stream: str, *, group: str, asked: Asked) -> None:
    """Remove dead letters for good.

    By ID, by FILTER or all; it always wants --yes.
    """
    from retraced.cli.bulkresult import report
    from retraced.cli.remedy import where

    if not asked.agreed and not asked.dry_run:
        note(
            "what is purged can't be brought back: fields and payload are lost, the story\n"
            "stays for 7 days; to keep a copy: retraced dlq export"
        )
    found = session.run(lambda link: _purge(link, session, stream, group, asked))
    report(session, found, asked=asked, verb=_VERB, where=where(stream, group))


async def _purge(link: Link, session: Session, stream: str, group: str, asked: Asked) -> BulkResult:
    from retraced.cli.bulk import act_on
    from retraced.cli.dlq.letters import DeadLetters
    from retraced.cli.progress import looking

    letters = await DeadLetters.found(link, stream, group)
    total = None if asked.ids else await letters.count()
    with looking(total, quiet=asked.agreed) as progress:
        wanted = letters.wanted(asked, looked=progress.add)
        return await act_on(
            wanted if asked.agreed else _dead_among(wanted),
            _Purge(letters, asked.by),
            session=session,
            asked=asked,
            verb=_VERB,
            total=total,
            again=lambda: letters.wanted(asked),
        )


async def _dead_among(pages: AsyncIterator[Sequence[Wanted]]) -> AsyncIterator[Sequence[Wanted]]:
    """Those that are dead letters, to be counted."""
    async for page in pages:
        yield [each for each in page if each.letter is not None]


class _Purge:
    """Removes dead letters of one group."""

    def __init__(self, letters: DeadLetters, by: str) -> None:
        self._letters = letters
        self._by = by

    async def __call__(self, wanted: Sequence[Wanted]) -> list[Result]:
        from retraced.cli.bulk import rule
        from retraced.store.writes import purge as purge_call

        calls = []
        for each in wanted:
            entry = each.letter.entry if each.letter else b""
            call = purge_call(self._letters.keys, each.job, by=self._by, entry=entry)
            calls.append((each.job, call))
        return await rule(self._letters.link, calls)
