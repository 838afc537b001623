"""`retraced dlq requeue`: dead letters back into the queue, all or some, mended or as they were."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from retraced.cli.asked import Asked, Verb, bulk_json, bulk_options
from retraced.cli.options import group_option
from retraced.cli.session import Session
from retraced.errors import Refused, UsageError

if TYPE_CHECKING:
    from retraced.cli.bulkresult import BulkResult
    from retraced.cli.dlq.changes import Change
    from retraced.cli.dlq.letters import DeadLetters
    from retraced.cli.dlq.requeuer import How
    from retraced.store.connection import Link
    from retraced.store.reads.dead import DeadLetter

_VERB = Verb(
    "requeue", "requeued", "dead letter", repeated="one that has died anew is put back once more"
)


@click.command(
    epilog="""
\b
Examples:
  retraced dlq requeue emails 1795501170340-0 --group mail
  retraced dlq requeue emails --group mail --all --dry-run
  retraced dlq requeue emails --group mail 'died<2h' --rate 50/s --yes
  retraced dlq requeue emails --group mail fingerprint=3f2a91bc --yes
  retraced dlq requeue emails 1795501170340-0 --group mail --set type=mail
  retraced dlq requeue emails 1795501170340-0 --group mail --edit

\b
NAME of --set and --unset:
  payload.user   inside the payload, if that is JSON; lists by number:
                 payload.to.0 (VALUE is JSON if it reads as JSON, else
                 text: 43 is a number, '"43"' a text); of a bare entry,
                 its field user
  header.tenant  a field beside the payload
  type, timeout, max_attempts ...
                 an option of the job; a field of a bare entry

FILTER is the same as in `dlq list`: died is how long ago it died, age how long ago it was added.
What dies after the start is left alone. Interrupted, it says the command that does the rest.

"""
    + bulk_json(_VERB)
)
@click.argument("stream")
@group_option()
@click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Change a field first.")
@click.option("--unset", "unsets", multiple=True, metavar="NAME", help="Remove a field first.")
@click.option("--edit", is_flag=True, help="Change the entry in $VISUAL or $EDITOR; one ID only.")
@click.option("--keep-schedule", is_flag=True, help="Obey delay, run_at and expires again.")
@click.option(
    "--even-invalid", is_flag=True, help="Also what was invalid: the handler has been mended."
)
@bulk_options(_VERB)
@click.pass_obj
def requeue(
    session: Session,
    stream: str,
    *,
    group: str,
    sets: tuple[str, ...],
    unsets: tuple[str, ...],
    edit: bool,
    keep_schedule: bool,
    even_invalid: bool,
    asked: Asked,
) -> None:
    """Put dead letters back into the queue.

    By ID, by FILTER or all. They get a fresh budget of attempts and crashes, and lose delay, run_at
    and expires; the story says who did it and what was changed. What was buried as invalid is
    refused unless the field that was wrong is changed: it would be buried again.
    """
    from retraced.cli.bulkresult import report
    from retraced.cli.dlq.changes import Steps
    from retraced.cli.dlq.requeuer import How
    from retraced.cli.remedy import where

    steps = Steps.parse(sets, unsets)
    how = How(asked.by, keep_schedule=keep_schedule, even_invalid=even_invalid, steps=steps)
    if edit:
        _check_alone(asked, steps)
        found = _edited(session, stream, group, how=how, asked=asked)
    else:
        found = session.run(lambda link: _put_back(link, session, stream, group, how, asked))
    report(session, found, asked=asked, verb=_VERB, where=where(stream, group))


async def _put_back(
    link: Link, session: Session, stream: str, group: str, how: How, asked: Asked
) -> BulkResult:
    from retraced.cli.bulk import act_on
    from retraced.cli.dlq.letters import DeadLetters
    from retraced.cli.dlq.rehearsal import Rehearsal
    from retraced.cli.dlq.requeuer import Requeuer
    from retraced.cli.progress import looking

    letters = await DeadLetters.found(link, stream, group)
    requeuer = Requeuer(letters, how)
    total = None if asked.ids else await letters.count()
    rehearsal = Rehearsal(requeuer)
    try:
        with looking(total, quiet=asked.agreed) as progress:
            wanted = letters.wanted(asked, looked=progress.add)
            found = await act_on(
                wanted if asked.agreed else rehearsal.possible(wanted),
                requeuer, session=session, asked=asked, verb=_VERB, total=total, exact=True,
                again=lambda: letters.wanted(asked),
            )  # fmt: skip
    finally:
        rehearsal.tell()
    found.apart = rehearsal.refused
    if found.apart and not (asked.agreed or asked.dry_run):
        raise Refused("would requeue none: all that match would be refused")
    return found


def _check_alone(asked: Asked, steps: object) -> None:
    if len(asked.ids) != 1 or steps or asked.dry_run:
        raise UsageError(
            "--edit is for one job: name its ID, without --set, --unset and --dry-run; "
            "for many jobs there is --set"
        )


def _edited(session: Session, stream: str, group: str, *, how: How, asked: Asked) -> BulkResult:
    """Reads the letter, lets the person change it, and puts it back if it is the same one still."""
    from retraced.cli.bulkresult import print_results
    from retraced.cli.dlq import editor
    from retraced.cli.dlq.letters import DeadLetters, Fields
    from retraced.cli.dlq.requeuer import Requeuer

    [job] = asked.ids

    async def look(link: Link) -> tuple[DeadLetters, DeadLetter, Fields]:
        letters = await DeadLetters.found(link, stream, group)
        letter = await letters.of(job)
        return letters, letter, await letters.fields(letter)

    letters, letter, fields = session.run(look)
    change = editor.changes(letter, fields, Requeuer(letters, how).check)
    found = session.run(
        lambda link: _put_back_changed(replace(letters, link=link), letter, change, how)
    )
    print_results(session, found.results, _VERB)
    return found


async def _put_back_changed(
    letters: DeadLetters, letter: DeadLetter, change: Change, how: How
) -> BulkResult:
    from retraced.cli.bulkresult import BulkResult, Result
    from retraced.cli.dlq.requeuer import Requeuer
    from retraced.store.reads.dead import dead_letter

    now = await dead_letter(letters.link, letters.keys, letter.job)
    if now is not None and now.entry != letter.entry:
        job = letter.job.decode()
        raise Refused(f"job {job} has died anew meanwhile: look at it and edit again")
    verdict = await letters.link.run(Requeuer(letters, how).call(letter.job, now, change))
    found = BulkResult()
    found.take(1, [Result(letter.job, verdict.ruling, verdict.reason)], keep=True)
    return found
