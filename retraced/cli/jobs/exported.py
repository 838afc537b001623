"""`retraced jobs export`: jobs that are still to be done into a file, page by page."""

from __future__ import annotations

from typing import Any, BinaryIO

import click

from retraced.cli import letterline
from retraced.cli.jobs.listed import job_data
from retraced.cli.lookup import found_group
from retraced.cli.newfile import new_file
from retraced.cli.output import json_line
from retraced.cli.session import Session
from retraced.cli.summary import plural
from retraced.errors import StoreError
from retraced.filter import Filter
from retraced.store.connection import Link
from retraced.store.reads.jobs import JobRow, with_bodies
from retraced.store.reads.replies import redis_now
from retraced.store.reads.typefield import type_field_of


def export_all(session: Session, stream: str, group: str, file: str, wanted: Filter) -> None:
    """Writes what matches, and says how many; Refused if the file is there already."""
    with new_file(file) as out:
        writer = _Writer(out)
        try:
            session.run(lambda link: writer.write_all(link, stream, group, wanted))
        except (StoreError, KeyboardInterrupt):
            click.echo(f"stopped after {plural(writer.written, 'job')}", err=True)
            raise
    where = "standard output" if file == "-" else file
    click.echo(f"exported {plural(writer.written, 'job')} to {where}", err=True)


class _Writer:
    """Writes one line after the other; holds one page at a time."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.written = 0

    async def write_all(self, link: Link, stream: str, group: str, wanted: Filter) -> None:
        keys, _ = await found_group(link, stream, group)
        type_field = await type_field_of(link, keys)
        heading = letterline.heading(stream, group, type_field, kind=letterline.JOB)
        now_ms = await redis_now(link)
        async for page in with_bodies(link, keys, wanted=wanted):
            for row in page:
                self._out.write(json_line(heading | _data(row, now_ms)).encode() + b"\n")
                self.written += 1
            self._out.flush()


def _data(row: JobRow, now_ms: int) -> dict[str, Any]:
    fields = letterline.exact([*(row.fields or {}).items()])
    return {**job_data(row, now_ms), "fields": fields}
