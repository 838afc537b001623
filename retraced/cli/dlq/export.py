"""`retraced dlq export`: dead letters with their stories into a file, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from retraced.cli.options import group_option
from retraced.cli.session import Session
from retraced.errors import UsageError

if TYPE_CHECKING:
    from retraced.cli.dlq.letters import DeadLetters
    from retraced.cli.exporting import Lines
    from retraced.filter import Filter
    from retraced.store.connection import Link
    from retraced.store.reads.dead import DeadLetter

_AT_ONCE = 20  # records in one pipeline: each may hold a hundred events with tracebacks


@click.command(
    epilog="""
\b
Examples:
  retraced dlq export emails dead.jsonl --group mail
  retraced dlq export emails - --group mail 'died>1h' | gzip > d.gz

\b
JSON, one line for each dead letter, the oldest first: all keys of
`dlq list`, and
  retraced    "dead letter"
  stream, group, type_field
  fields      [[name, value], ...] as they were added, in their order;
              what isn't UTF-8 stands as {"base64": "..."}
  facts       what ReTraced noted, by name: @reason, @error, @attempts ...
  events      the story, as in `trace`; events_total says how many there
              were if some weren't kept

\b
To bring them back, as new jobs for every group of the stream, without
delay, run_at and expires:
  retraced add emails --ndjson dead.jsonl
  jq -c 'select(.type == "send")' dead.jsonl | retraced add emails --ndjson -
"""
)
@click.argument("stream")
@click.argument("file", metavar="FILE|-")
@click.argument("words", metavar="[ID|FILTER]...", nargs=-1)
@group_option()
@click.pass_obj
def export(session: Session, stream: str, file: str, words: tuple[str, ...], *, group: str) -> None:
    """Write dead letters to a file, as JSON lines.

    All, or those of a FILTER; `-` is standard output.
    Nothing is changed in Redis. An existing FILE isn't overwritten.
    """
    from retraced.cli.asked import split_words
    from retraced.cli.exporting import export_to

    ids, condition = split_words(words)
    if ids and condition:
        raise UsageError("name jobs by id or describe them by a FILTER, not both")

    async def write(link: Link, lines: Lines) -> None:
        await _write_all(link, lines, stream, group, ids, condition)

    export_to(session, file, "dead letter", write)


async def _write_all(
    link: Link, lines: Lines, stream: str, group: str, ids: Sequence[bytes], condition: Filter
) -> None:
    from retraced.cli.dlq.letters import DeadLetters
    from retraced.cli.progress import looking

    letters = await DeadLetters.found(link, stream, group)
    total = None if ids else await letters.count()
    with looking(total, quiet=lines.out.isatty()) as progress:
        async for page in letters.chosen(ids, condition, looked=progress.add):
            for start in range(0, len(page), _AT_ONCE):
                await _write(letters, page[start : start + _AT_ONCE], lines)


async def _write(letters: DeadLetters, some: Sequence[DeadLetter], lines: Lines) -> None:
    from retraced.store.reads.dead import stories_of

    stories = await stories_of(letters.link, letters.keys, some)
    for letter, story in zip(some, stories, strict=True):
        lines.write(await _data(letters, letter, *story))
    lines.flush()


async def _data(
    letters: DeadLetters, letter: DeadLetter, events: Sequence[Any], total: int
) -> dict[str, Any]:
    from retraced.cli import exportline
    from retraced.cli.dlq.rows import letter_data
    from retraced.cli.timeline import event_data

    keys = letters.keys
    return {
        **exportline.heading(keys.stream_name, keys.group_name, letters.type_field),
        **letter_data(letter),
        "fields": exportline.exact(await letters.fields(letter)),
        "facts": {str(name): value for name, value in exportline.exact(letter.facts.items())},
        "events": [event_data(event) for event in events],
        "events_total": total,
    }
