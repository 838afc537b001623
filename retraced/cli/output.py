"""Prints a command's results on stdout: rows as a table, JSON, JSON lines or bare ids.

Colours only on a terminal, and none where NO_COLOR is set; what they say is said in words, too.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

import orjson

from retraced import jsontext

# What a terminal could obey or a reader could be fooled by: C1 controls, bidirectional overrides,
# line separators. JSON itself escapes only what is below U+0020.
_TRICKY = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_GAP = "  "
_RED, _GREEN, _YELLOW, _CYAN = "31", "32", "33", "36"
_BY_WORD: Mapping[str, Mapping[str, str]] = {
    "state": {
        "dead": _RED,
        "worker is gone": _RED,
        "delayed": _CYAN,
        "running": _GREEN,
        "held": _GREEN,
        "paused": _YELLOW,
    },
    "note": {"paused": _YELLOW, "gone": _RED},
    "beat": {"gone": _RED, "stalled": _RED},
    "level": {"problem": _RED, "warning": _YELLOW, "unknown": _CYAN, "ok": _GREEN},
    "result": {"refused": _YELLOW, "missing": _YELLOW},
}


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    ID = "id"


def emit(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    format: Format | None = None,  # noqa: A002 - the name of the option
    file: TextIO | None = None,
    under: Sequence[str] = (),
) -> None:
    """Prints `rows`; without a format a table on a terminal and JSON lines elsewhere.

    A table shows `columns` in their order, and below each row its text of `under`, if there is one;
    JSON shows all that a row holds; `id` shows a row's `id`, else its first column. Bytes are shown
    as text, with escapes where they aren't UTF-8.
    """
    out = file or sys.stdout
    match format or default_format(out):
        case Format.TABLE:
            _print_table(rows, columns, out, under)
        case Format.JSON:
            out.write(_json(list(rows), orjson.OPT_INDENT_2) + "\n")
        case Format.JSONL:
            for row in rows:
                out.write(_json(row) + "\n")
                out.flush()
        case Format.ID:
            for row in rows:
                out.write(printable(row.get("id", row.get(columns[0]))) + "\n")
    out.flush()


def default_format(file: TextIO) -> Format:
    return Format.TABLE if file.isatty() else Format.JSONL


def json_line(value: object) -> str:
    """A value as JSON on one line, as `-o jsonl` prints it."""
    return _json(value)


def printable(value: object) -> str:
    """A value as one line of text that is safe on a terminal: what isn't printable is escaped."""
    text = _text(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def in_colour(file: TextIO) -> bool:
    """Whether colours may be used there: it is a terminal, and nobody has said NO_COLOR."""
    return file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str, column: str, *, file: TextIO) -> str:
    """The text of a cell in the colour of what it says, if it has one and `file` takes colours."""
    code = _colour(text, column) if in_colour(file) else None
    return text if code is None else f"\x1b[{code}m{text}\x1b[0m"


def _colour(text: str, column: str) -> str | None:
    said = text.strip()
    if column == "dead":  # a count of dead letters
        return _RED if said.isdigit() and said != "0" else None
    words = _BY_WORD.get(column, {})
    return words.get(said) or next((words[word] for word in words if said.startswith(word)), None)


def _print_table(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    out: TextIO,
    under: Sequence[str],
) -> None:
    kept = list(rows)
    cells = [[printable(row.get(column)) for column in columns] for row in kept]
    lines = [[column.replace("_", " ").upper() for column in columns], *cells]
    widths = [max(_width(line[at]) for line in lines) for at in range(len(columns))]
    numeric = [_is_numeric(kept, column) for column in columns]
    for at, line in enumerate(lines):
        padded = [
            _padded(cell, width, right)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        padded[-1:] = [cell.rstrip() for cell in padded[-1:]]
        if at and in_colour(out):
            padded = [
                coloured(cell, column, file=out)
                for cell, column in zip(padded, columns, strict=True)
            ]
        out.write(_GAP.join(padded).rstrip() + "\n")
        if at and under and under[at - 1]:
            out.write(f"{_GAP}{coloured(under[at - 1], 'note', file=out)}\n")


def _is_numeric(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    values = [row.get(column) for row in rows]
    return bool(values) and all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        for value in values
    )


def _padded(cell: str, width: int, right: bool) -> str:
    space = " " * (width - _width(cell))
    return space + cell if right else cell + space


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_columns_of(char) for char in text)


def _columns_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case str():
            return value
        case dict() | list() | tuple():
            return _json(value)
        case _:
            return str(value)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _json(value: object, option: int = 0) -> str:
    try:
        text = orjson.dumps(_plain(value), option=option, default=str).decode()
    except (TypeError, RecursionError):  # nested too deeply for that
        text = jsontext.deep(value, _plain)
    return _TRICKY.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _plain(value: object) -> object:
    """The value without bytes and lone surrogates, which JSON lacks."""
    match value:
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case str():
            return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
        case Mapping():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
