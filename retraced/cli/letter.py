"""One dead letter as lines for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from retraced.cli.frames import block, traceback_of
from retraced.cli.listing import ago, shortened, terminal_width, when
from retraced.cli.output import printable
from retraced.cli.summary import plural
from retraced.events import Event
from retraced.store.reads.dead import DeadLetter

_MOST_SHOWN = 2000
_MOST_FIELDS = 50
_TRACEBACK_LINES = 20


def letter_lines(
    letter: DeadLetter,
    fields: Sequence[tuple[bytes, bytes]],
    events: Sequence[Event],
    *,
    now_ms: int,
) -> Iterator[str]:
    """Reason, error, traceback and numbers, then the fields as they were added (long ones cut)."""
    died = f"{when(letter.died_ms)} UTC ({ago(now_ms - letter.died_ms)})"
    yield f"job        {printable(letter.job)}"
    yield f"died       {died}"
    yield f"tried      {_tried(letter)}"
    yield f"reason     {printable(letter.reason)}"
    for place, line in enumerate(letter.error.rstrip().splitlines()):
        yield from _wrapped("error      " if place == 0 else " " * 11, printable(line))
    yield from _traceback(events)
    yield f"fields     {len(fields):,}, its own, as they were added:"
    for name, value in fields[:_MOST_FIELDS]:
        shown = shortened(printable(value), _MOST_SHOWN)
        yield from _wrapped(f"  {printable(name)} = ", shown)
    if len(fields) > _MOST_FIELDS:
        yield f"  ... and {len(fields) - _MOST_FIELDS:,} more; -o json shows all"


def _tried(letter: DeadLetter) -> str:
    deliveries = plural(letter.deliveries, "delivery", "deliveries")
    return f"{plural(letter.attempts, 'attempt')}, {deliveries}"


def _traceback(events: Sequence[Event]) -> Iterator[str]:
    """The newest one in the story: that of the death, or of an attempt before it."""
    for event in reversed(events):
        if traceback := traceback_of(event):
            whose = "the last attempt" if event is events[-1] else "an earlier attempt"
            yield f"traceback  of {whose}, {when(event.at_ms)} UTC:"
            yield from block(traceback, indent=2, most=_TRACEBACK_LINES)
            return


def _wrapped(head: str, text: str) -> Iterator[str]:
    room = max(terminal_width() - len(head), 30)
    lines = textwrap.wrap(text, room, drop_whitespace=False, break_on_hyphens=False) or [""]
    yield head + lines[0]
    for line in lines[1:]:
        yield " " * len(head) + line
