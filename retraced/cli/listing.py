"""Rows for people (cut to the terminal, times in words) and the same rows for programs (raw)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from retraced.cli.output import Format, emit, printable
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.durations import format_ms

_LEAST = 12
_FAIR = 24
_NAMES = ("type", "state", "worker", "error", "why", "stream", "release")  # cut if need be
_GAP = 2


@dataclass(frozen=True, slots=True)
class Row:
    """One result: `data` for JSON, `shown` (by column) for a table.

    Without data it is a further line of the result before it.
    """

    data: Mapping[str, Any] | None
    shown: Mapping[str, Any]


def for_people(session: Session) -> bool:
    """Whether the output is a table, the format for people."""
    return session.form is Format.TABLE


def show(
    session: Session,
    rows: Sequence[Row],
    columns: Sequence[str],
    *,
    flexible: str | None = None,
    below: Sequence[str] = (),
    spare: Sequence[str] = (),
    empty: str = "",
) -> None:
    """Prints rows; in a table the column `flexible` is cut so that lines fit the terminal.

    Where they wouldn't fit as they are, columns of `below` go to a line of their own under each
    row, one after the other, then those of `spare` are left out, and only then it is cut.

    No rows: `empty` goes to stderr and says what to do next; programs get an empty list.
    """
    if not rows and empty:
        note(empty)
    if not for_people(session):
        session.emit([row.data for row in rows if row.data is not None], columns)
    elif rows:
        shown = [row.shown for row in rows]
        kept = _fitting(shown, columns, [*below, *spare])
        moved = [column for column in below if column in columns and column not in kept]
        under = [_under(row, moved) for row in shown] if moved else []
        table = _cut(shown, kept, flexible)
        emit(table, kept, format=Format.TABLE, under=under)


def print_rest(
    session: Session, after: object | None, *, looked: int, full: bool, noun: str = "job"
) -> None:
    """Says on stderr how to go on where a list isn't at its end.

    `after`: the place where the next page begins, None at the end. `full`: the page has as many as
    were wanted (programs know that), else as many as may be were `looked` at.
    """
    if after is None or (full and not for_people(session)):
        return
    if full:
        note(f"the next page: --after {after}")
    else:
        note(
            f"{looked:,} {noun}s were looked at, so far; go on: --after {after}, or look at more "
            f"at once: --scan {looked * 10}"
        )


def terminal_width() -> int:
    """Columns of the terminal, 80 where there is none."""
    return shutil.get_terminal_size().columns


def when(ms: int) -> str:
    """A Redis time for people: `2026-11-24 08:17:20` in UTC."""
    return moment(ms).strftime("%Y-%m-%d %H:%M:%S")


def moment(ms: int) -> datetime:
    """A Redis time as a datetime; what no datetime can hold becomes its last moment."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def iso(ms: int | None) -> str | None:
    """A Redis time for programs: RFC 3339 in UTC, with milliseconds."""
    if ms is None:
        return None
    return moment(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamps(name: str, ms: int | None) -> dict[str, Any]:
    """A Redis time for programs, twice: `NAME_at` for reading, `NAME_ms` (Unix) for counting."""
    return {f"{name}_at": iso(ms), f"{name}_ms": ms}


def ago(ms: int) -> str:
    """How long ago, for people; never negative."""
    return format_ms(max(ms, 0)) + " ago"


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def shortened(text: str, room: int) -> str:
    """A text cut to `room` characters, with an ellipsis where something is missing."""
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def _fitting(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], given_up: Sequence[str]
) -> list[str]:
    """The columns without the first of those `given_up`, as many as must go."""
    kept = list(columns)
    for column in given_up:
        if sum(_widths(rows, kept)) <= terminal_width() + _GAP:
            break
        kept = [each for each in kept if each != column]
    return kept


def _under(row: Mapping[str, Any], moved: Sequence[str]) -> str:
    """What stands below a row: a note as it is, other columns with their names."""
    told = [(column, row.get(column)) for column in moved]
    return "; ".join(
        printable(value) if column == "note" else f"{column} {printable(value)}"
        for column, value in told
        if value not in (None, "")
    )


def _cut(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], flexible: str | None
) -> list[Mapping[str, Any]]:
    """The rows with the flexible column cut, and names where that alone isn't enough."""
    names = [column for column in _NAMES if column in columns and column != flexible]
    for column in names:
        if _room(rows, columns, None) < -_GAP and _room(rows, columns, flexible) < _FAIR:
            rows = _shortened(rows, column, _FAIR)
    first = [column for column in columns if column == flexible]
    for column in (*first, *names):
        rows = _shortened(rows, column, max(_room(rows, columns, column), _LEAST))
    return list(rows)


def _room(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], column: str | None) -> int:
    """What the other columns leave to one."""
    return terminal_width() - sum(_widths(rows, [each for each in columns if each != column]))


def _shortened(
    rows: Sequence[Mapping[str, Any]], column: str, room: int
) -> list[Mapping[str, Any]]:
    return [{**row, column: shortened(printable(row.get(column)), room)} for row in rows]


def _widths(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[int]:
    """How wide each column is, with the gap behind it."""
    return [
        max(len(column), *(len(printable(row.get(column))) for row in rows)) + _GAP
        for column in columns
    ]
