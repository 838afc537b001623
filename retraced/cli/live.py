"""The demo's screen: redrawn in place on a terminal, lines as they come elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from typing import TextIO

import click

from retraced.cli.listing import shortened
from retraced.cli.output import printable
from retraced.demo.view import Counts, News, Tone, View

_COLUMNS = ("queued", "held", "delayed", "done", "dead")
_NEWS_LINES = 24
_HEAD_LINES = 7
_EVERY_MS = 2000
_LONGEST = 120
_COLOURS: Mapping[Tone, str] = {
    Tone.GOOD: "green",
    Tone.TROUBLE: "yellow",
    Tone.BAD: "red",
}


class Live:
    """Draws each moment over the one before; never more lines than the terminal has."""

    def __init__(self, out: TextIO, *, title: str) -> None:
        self._out = out
        self._title = title
        self._colours = "NO_COLOR" not in os.environ
        self._drawn = 0
        self._out.write("\x1b[?25l")

    def show(self, view: View) -> None:
        width, height = shutil.get_terminal_size()
        lines = [
            self._painted(shortened(printable(text), width - 1), tone)
            for text, tone in self._lines(view, height - 1)
        ]
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        body = "".join(f"\x1b[2K{line}\n" for line in lines)
        self._out.write(f"\r{up}{body}\x1b[J")
        self._out.flush()
        self._drawn = len(lines)

    def close(self) -> None:
        """Gives the cursor back."""
        self._out.write("\x1b[?25h")
        self._out.flush()

    def _lines(self, view: View, height: int) -> Iterator[tuple[str, Tone]]:
        yield f"{self._title}  {seconds(view.elapsed_ms)}", Tone.PLAIN
        yield "", Tone.PLAIN
        heads = " ".join(f"{column:>8}" for column in _COLUMNS)
        yield f"{'group':<9}{'worked by':<18}{heads}", Tone.PLAIN
        for group in view.groups:
            yield counts_line(group), Tone.PLAIN
        yield f"{added(view)}", Tone.PLAIN
        yield "", Tone.PLAIN
        room = min(_NEWS_LINES, height - _HEAD_LINES)
        for news in view.news[-room:] if room > 0 else []:
            yield news_line(news), news.tone

    def _painted(self, line: str, tone: Tone) -> str:
        colour = _COLOURS.get(tone)
        return click.style(line, fg=colour) if colour and self._colours else line


class Plain:
    """Each piece of news once, and the counts from time to time."""

    def __init__(self, out: TextIO, *, title: str) -> None:
        self._out = out
        self._told = 0
        self._next_ms = 0
        self._out.write(f"{title}\n")
        self._out.flush()

    def show(self, view: View) -> None:
        for news in view.news[self._told :]:
            self._out.write(shortened(printable(news_line(news)), _LONGEST) + "\n")
        self._told = len(view.news)
        if view.elapsed_ms >= self._next_ms and view.added:
            self._next_ms = view.elapsed_ms + _EVERY_MS
            for group in view.groups:
                self._out.write(_plain_counts(view, group) + "\n")
        self._out.flush()

    def close(self) -> None:
        """Nothing to give back."""


def news_line(news: News) -> str:
    """When, in which group, which job, what."""
    return f"{seconds(news.at_ms)} {news.group:<7} {news.who:<8} {news.text}"


def counts_line(group: Counts) -> str:
    values = " ".join(f"{getattr(group, column):>8}" for column in _COLUMNS)
    return f"{group.group:<9}{group.worked_by:<18}{values}"


def added(view: View) -> str:
    return (
        f"{view.added} of {view.total} jobs added to one stream, each for both groups; "
        f"{view.workers} workers live"
    )


def seconds(ms: int) -> str:
    return f"{ms / 1000:5.1f}s"


def _plain_counts(view: View, group: Counts) -> str:
    values = ", ".join(f"{column} {getattr(group, column)}" for column in _COLUMNS)
    return f"{seconds(view.elapsed_ms)} {group.group:<7} {'':<8} {values}"
