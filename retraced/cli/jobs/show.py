"""`retraced jobs show`: what one job is, where it is in each group, what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
import orjson

from retraced import jsontext
from retraced.cli import answers, timeline
from retraced.cli.listing import (
    ago,
    first_line,
    for_people,
    shortened,
    stamps,
    terminal_width,
    when,
)
from retraced.cli.lookup import groups_meant, job_id
from retraced.cli.options import group_option
from retraced.cli.output import printable
from retraced.cli.remedy import command, next_step
from retraced.cli.session import Session
from retraced.entry import RESERVED
from retraced.errors import NotFound
from retraced.store.connection import Link
from retraced.store.reads.bodies import Fields, fields_anywhere
from retraced.store.reads.story import State, Story, story

About = bytes | Mapping[bytes, bytes]

_MOST_LINES = 100
_LONGEST = 2_000
_MOST_FIELDS = 50
_LABEL = 9


@dataclass(frozen=True, slots=True)
class Found:
    """A job of a stream: its fields (None: gone) and its story in each group."""

    stream: str
    job: bytes
    fields: Fields | None
    stories: Sequence[Story]


@click.command(
    name="show",
    epilog="""
\b
Examples:
  retraced jobs show emails 1795501170340-0
  retraced jobs show emails 1795501170340-0 --group mail --no-payload

JSON: id, stream, added_at, added_ms, fields (name to value, as they were added; null: nobody has
them any more; without the payload's with --no-payload), payload (as JSON, else as text), and
groups: group, state, where, next, due_at, due_ms, attempts, deliveries, reason, error, paused, step
(what to do).
""",
)
@click.argument("stream")
@click.argument("job", metavar="ID")
@group_option("Only in this group.", required=False)
@click.option("--no-payload", is_flag=True, help="Hide what the job is about.")
@click.pass_obj
def show_(session: Session, stream: str, job: str, *, group: str | None, no_payload: bool) -> None:
    """Show one job: fields, payload, places, next step.

    Where it is in each group; `retraced trace` tells how it came there.
    """
    wanted = job_id(job)
    found = session.run(lambda link: find(link, stream, wanted, group))
    print_job(session, found, payload=not no_payload)


async def find(link: Link, stream: str, job: bytes, group: str | None) -> Found:
    """Looks in one group or in all. Raises NotFound when nobody knows the job."""
    facts, asked = await groups_meant(link, stream, group)
    stories = [await story(link, keys, job, facts) for keys in asked]
    fields = await fields_anywhere(link, asked, job)
    if fields is None and not any(_known(each) for each in stories):
        raise NotFound(
            f"neither {stream!r} nor its groups have a job {job.decode()} now; "
            f"`{command('trace', stream, job.decode())}` tells what that means"
        )
    return Found(stream, job, fields, stories)


def print_job(session: Session, found: Found, *, payload: bool) -> None:
    """Prints it; `payload` False hides what it is about."""
    if not for_people(session):
        session.emit([_data(found, payload)], ["id"])
        return
    for line in _lines(found, payload):
        click.echo(line)


def _known(told: Story) -> bool:
    return bool(told.events) or told.state is not State.UNKNOWN


def _lines(found: Found, payload: bool) -> Iterator[str]:
    first = found.stories[0]
    told = f"job {found.job.decode()} of {printable(found.stream)}"
    if first.added_ms is not None:
        told += f", added {when(first.added_ms)} UTC ({ago(first.now_ms - first.added_ms)})"
    yield told
    for each in found.stories:
        yield ""
        yield from _group_lines(each)
    yield ""
    yield from _field_lines(found.fields, payload)
    yield ""
    yield f"its story: {command('trace', found.stream, found.job.decode())}"


def _group_lines(told: Story) -> Iterator[str]:
    yield f"group {told.group}: {told.state.value}" + (" (paused)" if told.paused else "")
    for label, text in (
        ("now", answers.where(told)),
        ("next", answers.following(told)),
        ("error", _error(told)),
        ("to do", next_step(told)),
    ):
        if label == "to do" and text:
            yield from timeline.step_lines(f"  {label:{_LABEL}}{printable(text)}")
        elif text:
            yield from _labelled(label, text)


def _error(told: Story) -> str:
    """The last error, unless it has been said already."""
    error = first_line(told.error)
    return "" if error in answers.where(told) else error


def _labelled(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        printable(text),
        terminal_width(),
        initial_indent=f"  {label:{_LABEL}}",
        subsequent_indent=" " * (_LABEL + 2),
        break_on_hyphens=False,
    )


def _field_lines(fields: Fields | None, payload: bool) -> Iterator[str]:
    if fields is None:
        yield "its fields are gone: a job that has ended leaves only its story"
        return
    about, options = _parted(dict(fields))
    for name, value in list(options.items())[:_MOST_FIELDS]:
        yield shortened(f"{printable(name)} = {printable(value)}", _LONGEST)
    if len(options) > _MOST_FIELDS:
        yield f"... and {len(options) - _MOST_FIELDS:,} more fields; -o json shows all"
    if not payload:
        yield f"payload: {_size(about):,} bytes, not shown"
        return
    yield f"payload ({_size(about):,} bytes):"
    yield from _payload_lines(about)


def _payload_lines(about: About) -> Iterator[str]:
    lines = _pretty(about).splitlines() or [""]
    for line in lines[:_MOST_LINES]:
        yield "  " + shortened(printable(line), _LONGEST)
    if len(lines) > _MOST_LINES:
        yield f"  ... and {len(lines) - _MOST_LINES:,} more lines; -o json shows all"


def _pretty(about: About) -> str:
    """JSON with indents; what isn't JSON as it is."""
    value = _understood(about)
    if isinstance(about, bytes) and isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except TypeError:  # nested too deeply for that
        return jsontext.dumps(value)


def _understood(about: About) -> Any:
    if not isinstance(about, bytes):
        return {_text(name): _text(value) for name, value in about.items()}
    try:
        return orjson.loads(about)
    except orjson.JSONDecodeError:
        return _text(about)


def _parted(
    fields: Mapping[bytes, bytes],
) -> tuple[About, Mapping[bytes, bytes]]:
    """The payload (of a bare entry its own fields), and what stands beside it."""
    if b"payload" in fields:
        return fields[b"payload"], {n: v for n, v in fields.items() if n != b"payload"}
    own = {name: value for name, value in fields.items() if name not in RESERVED}
    return own, {name: value for name, value in fields.items() if name in RESERVED}


def _size(about: About) -> int:
    if isinstance(about, bytes):
        return len(about)
    return sum(len(name) + len(value) for name, value in about.items())


def _data(found: Found, payload: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": found.job,
        "stream": found.stream,
        **stamps("added", found.stories[0].added_ms),
        "fields": None,
    }
    if found.fields is not None:
        about, options = _parted(dict(found.fields))
        data["fields"] = dict(found.fields) if payload else dict(options)
        if payload:
            data["payload"] = _understood(about)
    data["groups"] = [_group_data(each) for each in found.stories]
    return data


def _group_data(told: Story) -> dict[str, Any]:
    return {
        "group": told.group,
        "state": told.state.value,
        "where": answers.where(told),
        "next": answers.following(told) or None,
        **stamps("due", told.due_ms),
        "attempts": told.attempts,
        "deliveries": told.deliveries,
        "reason": told.reason or None,
        "error": told.error or None,
        "paused": bool(told.paused),
        "step": next_step(told) or None,
    }


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
