"""Recorded tracebacks for people: where the handler raised, or the traceback itself."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from retraced.cli.listing import terminal_width
from retraced.cli.output import printable
from retraced.events import Event

_FRAME = re.compile(r'File "[^"\n]+", line \d+(?:, in [^\n]+)?')
_LEAST_ROOM = 30


def traceback_of(event: Event) -> str:
    """The tail of the traceback that an event carries; empty if it carries none."""
    return str(event.details.get("traceback") or "")


def last_frame(traceback: str) -> list[str]:
    """Where it was raised: `File "jobs.py", line 7, in boom` and the line of code below it."""
    found = list(_FRAME.finditer(traceback))
    if not found:
        return []
    code = traceback[found[-1].end() :].split("\n")[1:2]
    told = [found[-1][0], *(f"  {line.strip()}" for line in code if line.startswith("    "))]
    return [printable(line) for line in told]


def block(traceback: str, *, indent: int, most: int | None = None) -> Iterator[str]:
    """Its lines, indented and wrapped to the terminal; of more than `most` the last ones."""
    lines = traceback.rstrip().splitlines()
    left_out = max(len(lines) - most, 0) if most else 0
    margin = " " * indent
    if left_out:
        yield f"{margin}... {left_out} more above; -o json shows all"
    room = max(terminal_width() - indent, _LEAST_ROOM)
    for line in lines[left_out:]:
        shown = printable(line)
        for part in textwrap.wrap(shown, room, drop_whitespace=False, break_on_hyphens=False):
            yield margin + part
