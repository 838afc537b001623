"""`retraced dlq export`: dead letters with their stories into a file, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from retraced.cli.newfile import new_file
from retraced.cli.session import Session
from retraced.errors import StoreError, UsageError

if TYPE_CHECKING:
    from retraced.cli.dlq.selection import Place
    from retraced.filter import Filter
    from retraced.store.connection import Link
    from retraced.store.reads.dead import DeadLetter

_AT_ONCE = 20  # records in one pipeline: each may hold a hundred events with tracebacks


@click.command(
    epilog="""
\b
Examples:
  retraced dlq export emails dead.jsonl --group mail
  retraced dlq export emails - --group mail error:refused 'age>1h' | gzip > dead.jsonl.gz

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
@click.option("--group", required=True, metavar="G", help="The consumer group.")
@click.pass_obj
def export(session: Session, stream: str, file: str, words: tuple[str, ...], *, group: str) -> None:
    """Write dead letters to a file, as JSON lines.

    All, or those of a FILTER; `-` is standard output.
    Nothing is changed in Redis. An existing FILE isn't overwritten.
    """
    from retraced.cli.asked import split_words
    from retraced.cli.summary import plural

    ids, condition = split_words(words)
    if ids and condition:
        raise UsageError("name jobs by id or describe them by a FILTER, not both")
    with new_file(file) as out:
        writer = _Writer(out)
        try:
            session.run(lambda link: writer.write_all(link, stream, group, ids, condition))
        except (StoreError, KeyboardInterrupt):
            click.echo(f"stopped after {plural(writer.written, 'dead letter')}", err=True)
            raise
    where = "standard output" if file == "-" else file
    click.echo(f"exported {plural(writer.written, 'dead letter')} to {where}", err=True)


class _Writer:
    """Writes one line after the other; holds one page at a time."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.written = 0

    async def write_all(
        self, link: Link, stream: str, group: str, ids: Sequence[bytes], condition: Filter
    ) -> None:
        from retraced.cli.dlq.selection import Place, letters_of

        place = await Place.found(link, stream, group)
        async for page in letters_of(place, ids, condition):
            for start in range(0, len(page), _AT_ONCE):
                await self._write(place, page[start : start + _AT_ONCE])

    async def _write(self, place: Place, letters: Sequence[DeadLetter]) -> None:
        from retraced.cli.output import json_line
        from retraced.store.reads.dead import stories_of

        stories = await stories_of(place.link, place.keys, letters)
        for letter, story in zip(letters, stories, strict=True):
            line = json_line(await _data(place, letter, *story))
            self._out.write(line.encode() + b"\n")
            self.written += 1
        self._out.flush()


async def _data(
    place: Place, letter: DeadLetter, events: Sequence[Any], total: int
) -> dict[str, Any]:
    from retraced.cli import letterline
    from retraced.cli.dlq.rows import letter_data
    from retraced.cli.timeline import event_data
    from retraced.store.reads.dead import fields_of

    keys = place.keys
    fields = await fields_of(place.link, keys, letter)
    return {
        **letterline.heading(keys.stream_name, keys.group_name, place.type_field),
        **letter_data(letter),
        "fields": letterline.exact(fields),
        "facts": {str(name): value for name, value in letterline.exact(letter.facts.items())},
        "events": [event_data(event) for event in events],
        "events_total": total,
    }
