"""`retraced jobs export`: jobs that are still to be done into a file, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.options import group_option
from retraced.cli.session import Session

if TYPE_CHECKING:
    from retraced.cli.exporting import Lines
    from retraced.filter import Filter
    from retraced.store.connection import Link


@click.command(
    epilog="""
\b
Examples:
  retraced jobs export emails waiting.jsonl --group mail state=queued
  retraced jobs export emails - --group mail payload.campaign=7 | gzip > c.gz

\b
JSON, one line for each job: all keys of `jobs list`, and
  retraced    "job"
  stream, group, type_field
  fields      [[name, value], ...] as they were added; what isn't UTF-8
              stands as {"base64": "..."}

\b
To add them again, as new jobs of the same stream or another one:
  retraced add emails --ndjson waiting.jsonl
"""
)
@click.argument("stream")
@click.argument("file", metavar="FILE|-")
@click.argument("words", metavar="[FILTER]...", nargs=-1)
@group_option()
@click.pass_obj
def export(session: Session, stream: str, file: str, words: tuple[str, ...], *, group: str) -> None:
    """Write the jobs that a group has still to do to FILE, as JSON lines.

    Those queued, held and delayed, or what of them matches FILTER; for dead ones there is `dlq
    export`. Nothing is changed in Redis. An existing FILE isn't overwritten.
    """
    from retraced.cli.exporting import export_to
    from retraced.filter import Filter

    wanted = Filter.parse(words)
    export_to(session, file, "job", lambda link, out: _write(link, out, stream, group, wanted))


async def _write(link: Link, out: Lines, stream: str, group: str, wanted: Filter) -> None:
    from retraced.cli import exportline
    from retraced.cli.jobs.rows import job_data
    from retraced.cli.lookup import found_group
    from retraced.store.reads.jobs import with_bodies
    from retraced.store.reads.replies import redis_now
    from retraced.store.reads.typefield import type_field_of

    keys, _ = await found_group(link, stream, group)
    type_field = await type_field_of(link, keys)
    heading = exportline.heading(stream, group, type_field, kind=exportline.JOB)
    now_ms = await redis_now(link)
    async for page in with_bodies(link, keys, wanted=wanted):
        for row in page:
            fields = exportline.exact([*(row.fields or {}).items()])
            out.write(heading | job_data(row, now_ms) | {"fields": fields})
        out.flush()
