"""`retraced add`: one job from the command line, or many from a file of JSON lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from retraced.cli.output import Format, emit
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.cli.values import DurationText
from retraced.entry import decode
from retraced.errors import InvalidEntry, UsageError

if TYPE_CHECKING:
    from retraced.store.connection import Link

EXAMPLES = """
\b
Examples:
  retraced add emails to=ada@example.org subject=hi
  retraced add emails --type send_email --payload '{"to": "ada"}' --delay 10m
  retraced add reports --payload @report.json --expires 1h --max-attempts 3
  retraced add emails --ndjson jobs.ndjson

\b
A line of --ndjson is a JSON object, one of:
  {"type": "send_email", "payload": {"to": "ada@example.org"}, "delay": "10m"}
  {"to": "ada@example.org", "subject": "hi"}

Without "payload" all that isn't an option of the job is its payload. Jobs are added in order. At a
line that can't be used the command stops: all lines before it are added and their ids printed,
none from it on, and the error tells its number.
"""


@click.command(epilog=EXAMPLES)
@click.argument("stream")
@click.argument("fields", metavar="[FIELD=VALUE]...", nargs=-1)
@click.option("--type", "type_", metavar="T", help="Which handler. Default: the stream's name.")
@click.option(
    "--payload",
    metavar="JSON|@FILE|-",
    help="The body: JSON, a file's bytes, or standard input's. FIELD=VALUE are then headers.",
)
@click.option("--delay", type=DurationText(), metavar="D", help="Not before 30s, 5m, 2h, 1d ...")
@click.option("--run-at", metavar="TIME", help="Not before this time: 2026-11-24T08:00:00Z.")
@click.option(
    "--expires",
    type=DurationText(or_time=True),
    metavar="D|TIME",
    help="Bury it as expired if it hasn't begun by then.",
)
# A worker's options of these names are for all its jobs: RETRACED_TIMEOUT is its alone.
@click.option(
    "--max-attempts", metavar="N", allow_from_autoenv=False, help="Bury it after so many."
)
@click.option(
    "--backoff", metavar="SPEC", allow_from_autoenv=False, help="Between attempts: fixed:30s ..."
)
@click.option(
    "--timeout", type=DurationText(), metavar="D", allow_from_autoenv=False, help="Of an attempt."
)
@click.option("--ndjson", metavar="FILE|-", help="Add a job for each line of a file.")
@click.pass_obj
def add(
    session: Session,
    /,
    stream: str,
    fields: tuple[str, ...],
    *,
    payload: str | None,
    ndjson: str | None,
    **said: str | None,
) -> None:
    """Add a job to STREAM and print its id.

    FIELD=VALUE pairs alone make a bare entry, as a plain XADD would. Nothing is sent twice: if no
    answer comes, the error says that the job may or may not have been added.
    """
    options = {name.rstrip("_"): value for name, value in said.items()}
    if ndjson is not None:
        if fields or payload is not None or any(options.values()):
            raise UsageError("--ndjson says all in its lines: leave the other fields out")
        _add_lines(session, stream, ndjson)
        return
    entry = entry_of(_pairs(fields), options, None if payload is None else _payload(payload))

    async def work(link: Link) -> str:
        from retraced.client.asynchronous import add_entry

        return await add_entry(link, stream, entry)

    print_ids(session, stream, [session.run(work)])


def print_ids(session: Session, stream: str, ids: Iterable[str]) -> None:
    """Prints ids as they are known; bare unless another format was asked for."""
    rows = [{"id": job, "stream": stream} for job in ids]
    emit(rows, ["id"], format=session.format or Format.ID)


def entry_of(
    pairs: Sequence[tuple[bytes, bytes]], options: dict[str, str | None], payload: bytes | None
) -> list[bytes]:
    """The flat entry of one job. Raises UsageError for what would be buried as invalid."""
    named = dict(pairs)
    flat = [part for pair in pairs for part in pair]
    for name, value in options.items():
        if value is None:
            continue
        if name.encode() in named:
            raise UsageError(f"{name} is given twice, as a field and as an option")
        flat += name.encode(), os.fsencode(value)
    if payload is not None:
        if b"payload" in named:
            raise UsageError("payload is given twice, as a field and as an option")
        flat += b"payload", payload
    if not flat:
        raise UsageError("an entry needs a field: give FIELD=VALUE, --payload or --type")
    check_entry(flat)
    return flat


def check_entry(flat: Sequence[bytes]) -> None:
    """Raises UsageError for an entry that a worker would bury as invalid."""
    try:
        decode(b"0-0", flat, stream="-", max_payload=sys.maxsize)
    except InvalidEntry as error:
        raise UsageError(str(error)) from None


def _pairs(fields: Iterable[str]) -> list[tuple[bytes, bytes]]:
    pairs = []
    for given in fields:
        name, equals, value = given.partition("=")
        if not equals or not name:
            raise UsageError(f"{given!r} isn't of the form FIELD=VALUE")
        pairs.append((os.fsencode(name), os.fsencode(value)))
    return pairs


def _payload(given: str) -> bytes:
    if given == "-":
        return sys.stdin.buffer.read()
    if given.startswith("@"):
        return read_file(given[1:])
    raw = os.fsencode(given)
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UsageError(
            f"--payload isn't JSON ({error}); for other bytes use --payload @FILE or -"
        ) from None
    return raw


def read_file(name: str) -> bytes:
    """A file's bytes. Raises UsageError if it can't be read."""
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name} can't be read: {error.strerror}") from None


def _add_lines(session: Session, stream: str, source: str) -> None:
    from retraced.cli.ndjson import STANDARD_INPUT, Lines, opened

    with opened(source) as file:
        lines = Lines(file, name=STANDARD_INPUT if source == "-" else source)

        async def work(link: Link) -> None:
            await lines.add_to(link, stream, lambda ids: print_ids(session, stream, ids))

        session.run(work)
    if not lines.added:
        note(f"{lines.name} has no lines: nothing was added")
