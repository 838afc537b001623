"""Sentences on a terminal: broken between words, with commands whole, so that they can be pasted.

In a pipe each stays the one line that it is.
"""

from __future__ import annotations

import os
import re
import sys

import click

_LEAST = 30
# A word; or a command: between backquotes, or behind a colon up to the end of the line.
_PIECE = re.compile(r"(\s*)([^\s`]*`[^`]+`\S*|(?<=: )retraced \S.*|\S+)")


def note(text: str) -> None:
    """Says on stderr what isn't a result: what was done, what is missing, how to go on."""
    click.echo(for_stderr(text), err=True)


def for_stderr(text: str, *, behind: int = 0) -> str:
    """The text as it fits the terminal that stderr is, if it is one; `behind` so many columns."""
    if not sys.stderr.isatty():
        return text
    return "\n".join(wrapped(" " * behind + text, _width()))[behind:]


def wrapped(text: str, width: int, *, then: str = "") -> list[str]:
    """The lines of a text in `width` columns; `then` stands in front of all but the first.

    A command, or a word, that is longer than a line gets a line of its own, and isn't broken.
    """
    return [line for each in text.split("\n") for line in _broken(each, width, then)]


def _broken(text: str, width: int, then: str) -> list[str]:
    if len(text) <= width or text.lstrip().startswith("retraced "):  # a command, on its own line
        return [text]
    width = max(width, _LEAST)
    lines, line = [], ""
    for gap, piece in _PIECE.findall(text):
        if line.strip() and len(line) + len(gap) + len(piece) > width:
            lines.append(line)
            line = then + piece
        else:
            line += gap + piece
    return [*lines, line]


def _width() -> int:
    """Columns of the terminal that stderr is."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (ValueError, OSError):
        return 80
