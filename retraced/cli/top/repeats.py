"""Columns that say the same in each row give way to one that doesn't. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from retraced.cli.top.table import Column, Line

_WANTS = 44  # columns that the text of one row is given, if it needs them


def distinct(
    columns: tuple[Column, ...], lines: Sequence[Line], *, room_for: str, of: Sequence[str]
) -> tuple[tuple[Column, ...], str]:
    """The columns, and what those said that may go: `all mail, exhausted`, or nothing.

    Of the columns `of`, the last yields first; `room_for` names the one that gets their room.
    """
    same: dict[str, str] = {}
    for at, column in enumerate(columns):
        texts = {line.cells[at] for line in lines}
        if column.title in of and len(lines) > 1 and len(texts) == 1:
            same[column.title] = texts.pop()
    if not same:
        return columns, ""
    placed = [replace(each, least=_WANTS) if each.title == room_for else each for each in columns]
    for at, column in enumerate(placed):
        if column.title in of:
            yields = 2 + of.index(column.title) if column.title in same else 0
            placed[at] = replace(column, yields=yields)
    return tuple(placed), "all " + ", ".join(same.values())
