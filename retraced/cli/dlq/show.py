"""`retraced dlq show`: one dead letter whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.options import group_option
from retraced.cli.session import Session

if TYPE_CHECKING:
    from retraced.cli.dlq.letters import Fields
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
@group_option()
@click.pass_obj
def show_(session: Session, stream: str, job: str, *, group: str) -> None:
    """Show one dead letter whole.

    Its error, traceback, fields and story.
    """
    from retraced.cli import timeline
    from retraced.cli.dlq.letter import letter_lines
    from retraced.cli.dlq.rows import letter_data
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
) -> tuple[DeadLetter, Fields, Story]:
    from retraced.cli.dlq.letters import DeadLetters
    from retraced.cli.lookup import found_group
    from retraced.store.reads.story import story

    keys, facts = await found_group(link, stream, group)
    letters = await DeadLetters.found(link, stream, group)
    letter = await letters.of(job)
    return letter, await letters.fields(letter), await story(link, keys, job, facts)
