"""One dead letter as lines for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from retraced.cli.frames import block, traceback_of
from retraced.cli.listing import ago, shortened, terminal_width, when
from retraced.cli.output import printable
from retraced.cli.words import plural
from retraced.events import Event, EventName
from retraced.fingerprint import fingerprint
from retraced.store.reads.dead import DeadLetter

_MOST_SHOWN = 2000
_MOST_FIELDS = 50
_TRACEBACK_LINES = 20
_ERROR_LINES = 20
_OFTEN = {1: "once", 2: "twice"}


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
    if again := _put_back(events, now_ms):
        yield from _wrapped("put back   ", again)
    yield f"reason     {printable(letter.reason)}"
    yield from _error(letter.error)
    yield from _traceback(events)
    yield f"fields     {len(fields):,}, its own, as they were added:"
    for name, value in fields[:_MOST_FIELDS]:
        shown = shortened(printable(value), _MOST_SHOWN)
        yield from _wrapped(f"  {printable(name)} = ", shown)
    if len(fields) > _MOST_FIELDS:
        yield f"  ... and {len(fields) - _MOST_FIELDS:,} more; -o json shows all"


def _error(error: str) -> Iterator[str]:
    lines = error.rstrip().splitlines()
    for place, line in enumerate(lines[:_ERROR_LINES]):
        head = "error      " if place == 0 else " " * 11
        yield from _wrapped(head, shortened(printable(line), _MOST_SHOWN))
    if len(lines) > _ERROR_LINES:
        yield f"{' ' * 11}... {len(lines) - _ERROR_LINES:,} more lines; -o json shows all"
    if lines:
        yield f"kind       {fingerprint(error)}, its fingerprint"


def _put_back(events: Sequence[Event], now_ms: int) -> str:
    """Whether people have put it back before, who did last, and what they changed."""
    times = [event for event in events if event.name == EventName.REQUEUED]
    if not times:
        return ""
    last = times[-1]
    often = _OFTEN.get(len(times), f"{len(times)} times")
    told = f"{often}, {'last ' if len(times) > 1 else ''}by {last.details.get('by') or 'unknown'}"
    told += f" {ago(now_ms - last.at_ms)}"
    if edited := last.details.get("edited"):
        told += ", who changed " + ", ".join(map(str, edited))
    return printable(told)


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
