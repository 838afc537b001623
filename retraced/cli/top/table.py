"""A table that is updated in place: the cursor stays with its row, and only changed lines are sent.

Textual's DataTable keeps the cursor at a place instead of at a row, and redraws whole when sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from retraced.cli.top.target import Target
from retraced.filter import JobFacts


class Tone(StrEnum):
    """How a line looks; its words say the same."""

    PLAIN = ""
    GOOD = "green"
    TROUBLE = "yellow"
    BAD = "red"


@dataclass(frozen=True, slots=True)
class Column:
    """`width` 0: flexible, shares what is left, wants `least`. Where there is too little room the
    column with the highest `yields` goes. `tail`: of a text that is too long the end is shown.
    """

    title: str
    width: int = 0
    right: bool = False
    least: int = 14
    yields: int = 0
    tail: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its key, one text for each column, and what it stands for (a job: its facts)."""

    key: str
    cells: tuple[str, ...]
    target: Target
    tone: Tone = Tone.PLAIN
    facts: JobFacts | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """All that a view shows. `empty`: said where there are no lines; `note`: what was left out."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...] = ()
    empty: str = ""
    note: str = ""


class Table(Widget, can_focus=True):
    """Shows a `Page`; the cursor stays on its row while rows come, go and move."""

    class Chosen(Message):
        """Enter was pressed on a row."""

        def __init__(self, target: Target) -> None:
            super().__init__()
            self.target = target

    BINDINGS = [  # noqa: RUF012 - as Textual reads it
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("pagedown,ctrl+f", "page(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("home", "move(-1000000)", show=False),
        Binding("end", "move(1000000)", show=False),
        Binding("enter", "choose", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._page = Page(())
        self._needs: list[int] = []  # never less than before, so that columns stay where they are
        self._cursor = 0
        self._top = 0
        self._drawn: list[tuple[str, Style]] = []

    @property
    def current(self) -> Line | None:
        """The row under the cursor."""
        lines = self._page.lines
        return lines[self._cursor] if lines else None

    def show(self, page: Page, *, first: bool = False) -> None:
        """Shows another state; `first`: with the cursor on the first row."""
        self._cursor = 0 if first else _followed(self._page.lines, page.lines, self._cursor)
        self._top = 0 if first else self._top
        before = [0] * len(page.columns) if first else self._needs
        self._needs = [max(pair) for pair in zip(before, _needs(page), strict=True)]
        self._page = page
        self._redraw()

    def action_move(self, by: int) -> None:
        last = max(len(self._page.lines) - 1, 0)
        self._cursor = min(max(self._cursor + by, 0), last)
        self._redraw()

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(self.size.height - 2, 1))

    def action_choose(self) -> None:
        if self.current is not None:
            self.post_message(self.Chosen(self.current.target))

    def on_click(self, event: events.Click) -> None:
        self.action_move(self._top + event.y - 1 - self._cursor)

    def on_mouse_scroll_down(self, _: events.MouseScrollDown) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self, _: events.MouseScrollUp) -> None:
        self.action_move(-3)

    def on_resize(self, _: events.Resize) -> None:
        self._redraw()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self._drawn):
            return Strip.blank(width)
        text, style = self._drawn[y]
        return Strip([Segment(text, style)], width)

    def _redraw(self) -> None:
        """Lays all lines out anew and asks for those to be drawn that have changed."""
        width, before = self.size.width, self._drawn
        self._drawn = lines = self._laid_out(width, self.size.height)
        for y in range(max(len(lines), len(before))):
            if y >= len(lines) or y >= len(before) or lines[y] != before[y]:
                self.refresh(Region(0, y, width, 1))

    def _laid_out(self, width: int, height: int) -> list[tuple[str, Style]]:
        if not width or height < 2:
            return []
        room = height - 1
        lines = self._page.lines
        self._top = min(self._top, self._cursor, max(len(lines) - room, 0))
        self._top = max(self._top, self._cursor - room + 1)
        columns = fitting(self._page.columns, self._needs, width)
        drawn = [(_joined(columns, [c.title for _, c, _ in columns], width), Style(bold=True))]
        for place, line in enumerate(lines[self._top : self._top + room], self._top):
            cells = [line.cells[at] for at, _, _ in columns]
            style = Style(color=line.tone.value or None, reverse=place == self._cursor)
            drawn.append((_joined(columns, cells, width), style))
        if not lines:
            said = self._page.empty.split("\n")
            drawn += [(set_cell_size(text, width), Style()) for text in said]
        return drawn


Placed = list[tuple[int, Column, int]]


def _followed(before: Sequence[Line], after: Sequence[Line], cursor: int) -> int:
    """Where the row under the cursor has gone; if it is no longer there, the same place."""
    if cursor < len(before):
        wanted = before[cursor].key
        for place, line in enumerate(after):
            if line.key == wanted:
                return place
    return min(cursor, max(len(after) - 1, 0))


def _needs(page: Page) -> list[int]:
    """The widest text of each column."""
    return [
        max([len(column.title), *(cell_len(line.cells[at]) for line in page.lines)])
        for at, column in enumerate(page.columns)
    ]


def fitting(columns: Sequence[Column], needs: Sequence[int], width: int) -> Placed:
    """(place, column, its width) of those that fit; `needs`: how wide the texts of each are."""
    kept = list(enumerate(columns))
    while True:
        flexible = [(at, column) for at, column in kept if not column.width]
        left = width - sum(column.width for _, column in kept) - (len(kept) - 1)
        yielding = max(kept, key=lambda each: each[1].yields, default=None)
        tight = sum(min(column.least, needs[at]) for at, column in flexible) > left
        if not tight or yielding is None or not yielding[1].yields:
            break
        kept.remove(yielding)
    shares = _shares([(at, needs[at]) for at, _ in flexible], max(left, 0))
    return [(at, column, column.width or shares[at]) for at, column in kept]


def _shares(needs: Sequence[tuple[int, int]], left: int) -> dict[int, int]:
    """What each flexible column gets: those of little need theirs, the others equal parts."""
    shares: dict[int, int] = {}
    waiting = sorted(needs, key=lambda each: each[1])
    while waiting:
        at, need = waiting.pop(0)
        # The last one gets all: what nobody needs goes to the most needy.
        shares[at] = min(need, left // (len(waiting) + 1)) if waiting else max(left, 1)
        left -= shares[at]
    return shares


def _joined(columns: Placed, cells: Sequence[str], width: int) -> str:
    parts = [
        _cell(text, own, column) for (_, column, own), text in zip(columns, cells, strict=True)
    ]
    return set_cell_size(" ".join(parts), width)


def _cell(text: str, width: int, column: Column) -> str:
    taken = cell_len(text)
    if taken > width:
        return "…" + _tail(text, width - 1) if column.tail else set_cell_size(text, width - 1) + "…"
    return " " * (width - taken) + text if column.right else set_cell_size(text, width)


def _tail(text: str, width: int) -> str:
    while cell_len(text) > width:
        text = text[1:]
    return set_cell_size(text, width)
