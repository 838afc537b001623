"""Sentences on a terminal: broken between words, with commands whole, so that they can be pasted.

In a pipe each stays the one line that it is.
"""

from __future__ import annotations

import os
import re
import sys

import click

_LEAST = 30
# Between backquotes, or behind a colon up to the end of the line.
_COMMAND = re.compile(r"`[^`]+`\S*|(?<=: )retraced \S.*")
_WORD = re.compile(r"\S+")


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
    lines, line = [], text[: len(text) - len(text.lstrip())]
    empty = True
    for piece in _pieces(text):
        if not empty and len(line) + 1 + len(piece) > width:
            lines.append(line)
            line, empty = then, True
        line += piece if empty else " " + piece
        empty = False
    return [*lines, line]


def _pieces(text: str) -> list[str]:
    """Words, and commands as if each were one word."""
    found, at = [], 0
    for command in _COMMAND.finditer(text):
        found += _WORD.findall(text[at : command.start()])
        found.append(command[0])
        at = command.end()
    return found + _WORD.findall(text[at:])


def _width() -> int:
    """Columns of the terminal that stderr is."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (ValueError, OSError):
        return 80
