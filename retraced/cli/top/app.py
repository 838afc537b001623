"""The screen of `retraced top`: keys, rows, and what lies over them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import Input, Static

from retraced.cli.output import printable
from retraced.cli.top import actions
from retraced.cli.top.actions import Deed
from retraced.cli.top.data import Scope, Snapshot, Source, View
from retraced.cli.top.details import details
from retraced.cli.top.dialogs import HELP, Confirm, Reader
from retraced.cli.top.header import condition_line, tabs_line, totals_line
from retraced.cli.top.refresh import Condition, Health, Refresher
from retraced.cli.top.sieve import Sieve
from retraced.cli.top.table import Page, Table
from retraced.cli.top.target import Target
from retraced.cli.top.views import page
from retraced.errors import RetracedError
from retraced.store.connection import Connector

_KEYS = "1-4 view  / filter  Enter {}  ? help  q quit"
_MORE_KEYS = {
    View.GROUPS: "details  P pause/resume",
    View.HELD: "story  C cancel  P pause",
    View.WORKERS: "details  P pause",
    View.DEAD: "story  R requeue  X purge",
}
_LINES = ("condition", "totals", "tabs", "said", "keys")
_FILTER_HINT = "words, or type=mail error:refused age>1h; Enter, or Esc for all"
_MESSAGE_S = 10.0
_READING_S = 0.3  # after that, rows of the view before are taken away
_TICK_S = 0.5
_NO_ROW = "{} needs a row of a job, and there is none here{}"
_NOT_HERE = "{} needs a row of {}: press {} first"


class Board(Screen[None]):
    """The four views, one at a time."""

    BINDINGS = [  # noqa: RUF012 - as Textual reads it
        Binding("q,ctrl+c", "quit", show=False),
        Binding("question_mark", "help", show=False),
        Binding("1", "view(1)", show=False),
        Binding("2", "view(2)", show=False),
        Binding("3", "view(3)", show=False),
        Binding("4", "view(4)", show=False),
        Binding("tab", "turn(1)", show=False),
        Binding("shift+tab", "turn(-1)", show=False),
        Binding("slash", "filter", show=False),
        Binding("escape", "unfilter", show=False),
        Binding("r", "again", show=False),
        Binding("C", "cancel", show=False),
        Binding("R", "requeue", show=False),
        Binding("X", "purge", show=False),
        Binding("P", "pause", show=False),
    ]

    def __init__(self, connector: Connector, scope: Scope, *, every_s: float, by: str) -> None:
        super().__init__()
        self._url = connector.safe_url
        self._by = by
        self._reading = connector.lazy()
        self._asking = connector.lazy()  # a long story doesn't hold up the refresh
        self._source = Source(self._reading, scope)
        self._view = View.GROUPS
        self._snapshot: Snapshot | None = None
        self._shown: View | None = None  # the view whose rows stand on the screen
        self._condition = Condition(Health.STARTING, every_s)
        self._sieve = Sieve()
        self._message = ""
        self._message_at = 0.0
        self._note = ""
        self._refresher = Refresher(self._read, self._show, every_s=every_s)
        # Kept here and not queried: the last refresh may end while the screen is being taken apart.
        self._lines = {name: Static(markup=False, id=name) for name in _LINES}
        self._rows = Table(id="rows")
        self._entry = Input(id="filter", compact=True, placeholder=_FILTER_HINT)

    def compose(self) -> ComposeResult:
        above, below = _LINES[:3], _LINES[3:]
        yield from (self._lines[name] for name in above)
        yield self._rows
        yield self._entry
        yield from (self._lines[name] for name in below)

    def on_mount(self) -> None:
        self._entry.display = False
        self._rows.focus()
        self._redraw()
        self.set_interval(_TICK_S, self._tick)
        self._refresh_always()

    async def on_unmount(self) -> None:
        await self._reading.close()
        await self._asking.close()

    def on_resize(self) -> None:
        self._redraw()

    def on_table_chosen(self, message: Table.Chosen) -> None:
        snapshot, target = self._snapshot, message.target
        if snapshot is not None:
            more = "   r again" + ("   v tracebacks" if target.job else "")

            def lines(verbose: bool) -> Awaitable[list[str]]:
                return details(self._asking, target, snapshot, verbose=verbose)

            self.app.push_screen(Reader(lines, more=more))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._sieve = Sieve.of(event.value)
        self._redraw()

    def on_input_submitted(self, _: Input.Submitted) -> None:
        self._close_filter()

    def action_quit(self) -> None:
        self.app.exit()

    def action_help(self) -> None:
        self.app.push_screen(Reader(_help, more=""))

    def action_view(self, number: int) -> None:
        self._view = View(number)
        self._say("")
        self._refresher.hurry()

    def action_turn(self, by: int) -> None:
        self.action_view((self._view.value - 1 + by) % len(View) + 1)

    def action_filter(self) -> None:
        self._entry.display = True
        self._entry.focus()

    def action_unfilter(self) -> None:
        self._entry.value = ""
        self._close_filter()

    def action_again(self) -> None:
        self._source.forget()
        self._refresher.hurry()

    def action_cancel(self) -> None:
        self._ask(View.HELD, "C", actions.cancel)

    def action_requeue(self) -> None:
        self._ask(View.DEAD, "R", actions.requeue)

    def action_purge(self) -> None:
        self._ask(View.DEAD, "X", actions.purge)

    def action_pause(self) -> None:
        target = self._target()
        if target is None or self._snapshot is None:
            self._say(_NOT_HERE.format("P", "a group", "1"))
            return
        for group in self._snapshot.groups:
            if group.keys == target.keys and group.pause:
                pause = group.pause
                self._confirm(actions.resume(target, by=pause.by, why=pause.why))
                return
        self._confirm(actions.pause(target))

    async def _read(self) -> tuple[View, Snapshot]:
        view = self._view
        return view, await self._source.read(view)

    def _show(self, found: tuple[View, Snapshot] | None, condition: Condition) -> None:
        self._condition = condition
        if found is not None:
            read_for, snapshot = found
            if read_for is not self._view:  # another view was asked for meanwhile: read again
                self._refresher.hurry()
                return
            self._snapshot = snapshot
        self._redraw(read=found is not None)

    def _redraw(self, *, read: bool = False) -> None:
        """Brings all lines up to date; `read`: the snapshot is new, and of the present view."""
        snapshot, view = self._snapshot, self._view
        self._tick()
        self._put("tabs", tabs_line(snapshot, view))
        self._put("keys", _KEYS.format(_MORE_KEYS[view]))
        if snapshot is None:
            return
        self._put("totals", totals_line(snapshot))
        if read or view in (self._shown, View.GROUPS):
            first, self._shown = view is not self._shown, view
            shown = page(snapshot, view, self._sieve)
            self._note = shown.note
            self._rows.show(shown, first=first)
        self._put("said", self._said())

    def _tick(self) -> None:
        """What changes although nothing was read: for how long there has been no answer."""
        waiting_s, width = self._refresher.waiting_s, self.size.width
        line = condition_line(
            self._url, self._condition, self._snapshot, waiting_s=waiting_s, width=width
        )
        self._put("condition", line)
        if self._view is not self._shown and waiting_s > _READING_S:
            self._note, self._shown = "", None
            self._rows.show(Page((), empty="reading ..."), first=True)

    def _said(self) -> str:
        """A message for some seconds, else what is wrong, else the note on the rows."""
        if monotonic() - self._message_at < _MESSAGE_S:
            return self._message
        away = self._condition.health is Health.AWAY
        return printable(self._condition.error) if away else self._note

    def _target(self) -> Target | None:
        line = self._rows.current if self._view is self._shown else None
        return line.target if line else None

    def _ask(self, view: View, key: str, deed: Callable[[Target], Deed]) -> None:
        target = self._target()
        if self._view is view and (target is None or not target.job):
            self._say(_NO_ROW.format(key, " that the filter leaves" if self._sieve else ""))
            return
        if self._view is not view or target is None:
            what = "a job" if view is View.HELD else "a dead letter"
            self._say(_NOT_HERE.format(key, what, view.value))
            return
        self._confirm(deed(target))

    @work
    async def _confirm(self, deed: Deed) -> None:
        """Does it only when a person agreed; then everything is read again."""
        why = await self.app.push_screen_wait(Confirm(deed))
        if why is None:
            self._say("left as it is: nothing changed")
            return
        try:
            self._say(await deed.run(self._asking, self._by, why))
        except RetracedError as error:
            self._say(f"NOT DONE: {error}")
        self.action_again()

    @work
    async def _refresh_always(self) -> None:
        await self._refresher.run()

    def _close_filter(self) -> None:
        self._entry.display = False
        self._rows.focus()

    def _say(self, text: str) -> None:
        """Says something for a few seconds, instead of the view's note."""
        self._message, self._message_at = printable(text), monotonic() if text else 0.0
        self._redraw()

    def _put(self, name: str, text: str) -> None:
        """Changes one of the single lines, if it says something else now."""
        line = self._lines[name]
        if str(line.content) != text:
            line.update(text)


class TopApp(App[None]):
    """Runs the board; in the terminal's own colours, so that NO_COLOR and themes are obeyed."""

    ENABLE_COMMAND_PALETTE = False
    CSS: ClassVar[str] = """
    Screen { background: ansi_default; color: ansi_default; }
    #condition, #totals, #tabs, #keys { height: 1; width: 1fr; }
    #said { height: auto; min-height: 1; max-height: 4; width: 1fr; }
    #tabs { text-style: bold; margin-bottom: 0; }
    #rows { height: 1fr; }
    #filter { height: 1; border: none; padding: 0; background: ansi_default; color: ansi_default; }
    #keys { text-style: reverse; }
    #text { height: 1fr; scrollbar-size: 0 0; background: ansi_default; }
    #lines { width: 1fr; height: auto; }
    Confirm { align: center middle; background: transparent; }
    #box { width: 72; max-width: 100%; height: auto; border: solid ansi_default; padding: 0 1;
           background: ansi_default; }
    #why { border: none; background: ansi_default; color: ansi_default; }
    .title { text-style: bold; }
    Static { background: ansi_default; color: ansi_default; }
    """

    def __init__(self, connector: Connector, scope: Scope, *, every_s: float, by: str) -> None:
        super().__init__(ansi_color=True)
        self._board = Board(connector, scope, every_s=every_s, by=by)

    def on_mount(self) -> None:
        self.push_screen(self._board)


async def _help(_: bool) -> list[str]:
    return HELP.split("\n")
