"""`retraced dlq show`: one dead letter whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.session import Session
from retraced.errors import NotFound

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.dead import DeadLetter
    from retraced.store.reads.story import Story


@click.command(
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
    """Show one dead letter whole.

    Its error, traceback, fields and story.
    """
    from retraced.cli import timeline
    from retraced.cli.dlq.rows import letter_data
    from retraced.cli.letter import letter_lines
    from retraced.cli.listing import for_people
    from retraced.cli.lookup import job_id

    wanted = job_id(job)
    letter, fields, told = session.run(lambda link: _look(link, stream, group, wanted))
    if for_people(session):
        about = letter_lines(letter, fields, told.events, now_ms=told.now_ms)
        for line in (*about, "", *timeline.lines(told)):
            click.echo(line)
        return
    data = {
        **letter_data(letter),
        "fields": dict(fields),
        "facts": letter.facts,
        "story": timeline.as_data(told),
    }
    session.emit([data], ["id"])


async def _look(
    link: Link, stream: str, group: str, job: bytes
) -> tuple[DeadLetter, tuple[tuple[bytes, bytes], ...], Story]:
    from retraced.cli.lookup import found_group
    from retraced.cli.remedy import command
    from retraced.store.reads.dead import dead_letter, fields_of
    from retraced.store.reads.story import story

    keys, facts = await found_group(link, stream, group)
    letter = await dead_letter(link, keys, job)
    if letter is None:
        raise NotFound(
            f"job {job.decode()} is no dead letter of group {group!r} of {stream!r}; "
            f"`{command('trace', stream, job.decode())}` tells where it is"
        )
    return letter, await fields_of(link, keys, letter), await story(link, keys, job, facts)
