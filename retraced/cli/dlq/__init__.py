"""`retraced dlq`: the dead letters of a group: list, show, requeue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from retraced.cli.listing import Row, ago, first_line, for_people, iso, show
from retraced.cli.lookup import found_group, job_id, person
from retraced.cli.session import Session
from retraced.cli.summary import plural
from retraced.errors import NotFound, Refused, UsageError

if TYPE_CHECKING:
    from retraced.keys import Keys
    from retraced.store.connection import Link
    from retraced.store.reads.dead import DeadLetter
    from retraced.store.reads.story import Story

_COLUMNS = ("job", "type", "reason", "attempts", "died", "error")
_REQUEUED = ("job", "result", "why")

_JSON = """
JSON, for each dead letter: id (the job's), entry (its id in the dead-letter stream), type (null:
the stream's name), reason, error, attempts, deliveries, crashes, died_at (RFC 3339), died_ms.
"""


@click.group(epilog="Example: retraced dlq list emails --group mail")
def dlq() -> None:
    """Look at dead letters (jobs that couldn't succeed) and put them back."""


@dlq.command(
    name="list",
    epilog=f"""
\b
Examples:
  retraced dlq list emails --group mail
  retraced dlq list emails --group mail --limit 20 --before 1795501170340-0
{_JSON}""",
)
@click.argument("stream")
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@click.option("--before", metavar="ENTRY", help="Older ones than this, as the last page said.")
@click.pass_obj
def list_(session: Session, stream: str, *, group: str, limit: int, before: str | None) -> None:
    """List dead letters, newest first."""
    start = None if before is None else job_id(before)

    async def work(link: Link) -> tuple[list[DeadLetter], int, int]:
        from retraced.store.reads.dead import count_dead, dead_letters
        from retraced.store.reads.replies import redis_now

        keys, _ = await found_group(link, stream, group)
        letters = await dead_letters(link, keys, limit=limit, before=start)
        return letters, await count_dead(link, keys), await redis_now(link)

    letters, total, now_ms = session.run(work)
    rows = [_row(letter, now_ms) for letter in letters]
    empty = f"no dead letters in group {group} of {stream}" if not total else "no older ones"
    show(session, rows, _COLUMNS, flexible="error", empty=f"{empty}: nothing to do")
    if for_people(session) and len(letters) == limit < total:
        click.echo(
            f"{len(letters):,} of {total:,} are shown; the next page: "
            f"--before {letters[-1].entry.decode()}",
            err=True,
        )


@dlq.command(
    name="show",
    epilog="""
\b
Example:
  retraced dlq show emails 1795501170340-0 --group mail

JSON: as in `dlq list`, and fields (name to value, as they were added; bytes that aren't UTF-8 as
escapes), facts (what ReTraced noted), story (as in `trace`).
""",
)
@click.argument("stream")
@click.argument("job", metavar="ID")
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.pass_obj
def show_(session: Session, stream: str, job: str, *, group: str) -> None:
    """Show one dead letter whole: its error, traceback, fields and story."""
    wanted = job_id(job)

    async def work(link: Link) -> tuple[DeadLetter, tuple[tuple[bytes, bytes], ...], Story]:
        from retraced.cli.remedy import command
        from retraced.store.reads.dead import dead_letter, fields_of
        from retraced.store.reads.story import story

        keys, facts = await found_group(link, stream, group)
        letter = await dead_letter(link, keys, wanted)
        if letter is None:
            raise NotFound(
                f"job {job} is no dead letter of group {group!r} of {stream!r}; "
                f"`{command('trace', stream, job)}` tells where it is"
            )
        fields = await fields_of(link, keys, letter)
        return letter, fields, await story(link, keys, wanted, facts)

    letter, fields, told = session.run(work)
    from retraced.cli import timeline
    from retraced.cli.letter import letter_lines

    if for_people(session):
        about = letter_lines(letter, fields, told.events, now_ms=told.now_ms)
        for line in (*about, "", *timeline.lines(told)):
            click.echo(line)
        return
    data = {
        **_data(letter),
        "fields": dict(fields),
        "facts": letter.facts,
        "story": timeline.as_data(told),
    }
    session.emit([data], ["id"])


@dlq.command(
    epilog="""
\b
Examples:
  retraced dlq requeue emails 1795501170340-0 --group mail
  retraced dlq requeue emails --group mail --all --yes

JSON, for each job: id, result (requeued, refused, missing), why.
"""
)
@click.argument("stream")
@click.argument("jobs", metavar="[ID]...", nargs=-1)
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.option("--all", "every", is_flag=True, help="All that are dead now; wants --yes.")
@click.option("--yes", is_flag=True, help="Agree to --all.")
@click.option("--keep-schedule", is_flag=True, help="Obey delay, run_at and expires again.")
@click.option(
    "--even-invalid", is_flag=True, help="Also what was invalid: the handler has been mended."
)
@click.pass_obj
def requeue(
    session: Session,
    stream: str,
    jobs: tuple[str, ...],
    *,
    group: str,
    every: bool,
    yes: bool,
    keep_schedule: bool,
    even_invalid: bool,
) -> None:
    """Put dead letters back into the queue.

    They get a fresh budget of attempts and crashes, and the story says who did it. What was buried
    as invalid is refused: it would be buried again.
    """
    from retraced.cli import putback

    if bool(jobs) == every:
        raise UsageError("name the jobs to put back, or say --all")
    wanted = [job_id(job) for job in jobs]
    asked = putback.Asked(person(), keep_schedule=keep_schedule, even_invalid=even_invalid)

    async def work(link: Link) -> list[putback.Result]:
        keys, _ = await found_group(link, stream, group)
        if every:
            await _agreed(link, keys, yes)
            return await putback.everything(link, keys, asked)
        return await putback.these(link, keys, wanted, asked)

    results = session.run(work)
    rows = []
    for each in results:
        said = {"result": each.word, "why": each.why}
        rows.append(Row({"id": each.job, **said}, {"job": each.job, **said}))
    nothing = f"no dead letters in group {group} of {stream}"
    show(session, rows, _REQUEUED, flexible="why", empty=nothing)
    putback.check(results, stream)


async def _agreed(link: Link, keys: Keys, yes: bool) -> None:
    from retraced.store.reads.dead import count_dead

    count = await count_dead(link, keys)
    if count and not yes:
        raise Refused(
            f"--all would put back {plural(count, 'dead letter')} of group {keys.group_name!r}; "
            "say --yes to do it"
        )


def _row(letter: DeadLetter, now_ms: int) -> Row:
    shown = {
        "job": letter.job,
        "type": letter.type,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "died": ago(now_ms - letter.died_ms),
        "error": first_line(letter.error),
    }
    return Row(_data(letter), shown)


def _data(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.job,
        "entry": letter.entry,
        "type": letter.type,
        "reason": letter.reason,
        "error": letter.error,
        "attempts": letter.attempts,
        "deliveries": letter.deliveries,
        "crashes": letter.crashes,
        "died_at": iso(letter.died_ms),
        "died_ms": letter.died_ms,
    }
