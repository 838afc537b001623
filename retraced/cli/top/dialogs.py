"""What lies over the rows: a confirmation, a story, the help."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Input, Static

from retraced.cli.output import printable
from retraced.cli.top.actions import Deed
from retraced.errors import StoreError

HELP = """\
Views: 1-4, Tab, Shift+Tab. Rows: arrows, j k, PgUp PgDn, Home End.
Enter  the story of a job; rates and times of a group; facts of a worker
/      only rows with these words, or a FILTER: type=mail error:refused age>1h
       payload.user=43 (of dead letters). Esc shows all again
r      read again now          q  quit          ?  this help
C  cancel the job              P  pause or resume the group of the row
R  requeue the dead letter     X  purge the dead letter: deletes it
       Each says what will happen, and asks first.

Groups   ok, PAUSED, NOBODY (no worker alive), GONE (from the stream). BACKLOG
         could run and hasn't begun; ~ is an estimate, `groups list` counts.
         OLDEST has waited so long. DONE/S and FAIL/S of the last ten seconds.
Held     running FOR so long, on delivery DLV; 12x p99: 12 times longer than 99
         of 100 of its type (from 10 times on); STALLED as its worker; IGNORES:
         told to end, runs on; fetched: not begun when its worker last told,
         every third of the visibility timeout; held: not told; GONE as its
         worker, another takes it over.
Workers  ok, STALLED (silent for a visibility timeout, or its event loop stands
         still), GONE (silent for three). RUNS of how many slots.
Bounds   200 groups, 200 workers, 200 running and 100 other held jobs, 100 dead
         letters, 500 rows."""


_YES_OR_NO = "y: do it   n or Esc: leave it"
_WHY = "Why? All who look at the group will see it"
_DO_IT = "\nEnter: do it   Esc: leave it"


class Confirm(ModalScreen[str | None]):
    """Asks before a deed is done. Gives the reason (may be empty) to do it, None to leave it."""

    BINDINGS = [  # noqa: RUF012 - as Textual reads it
        Binding("y", "agree", show=False),
        Binding("n,escape,q", "leave", show=False),
    ]

    def __init__(self, deed: Deed) -> None:
        super().__init__()
        self._deed = deed

    def compose(self) -> ComposeResult:
        deed = self._deed
        with Vertical(id="box"):
            yield Static(printable(deed.title) + "?", markup=False, classes="title")
            yield Static("\n" + printable(deed.follows) + "\n", markup=False)
            yield Static(_YES_OR_NO, markup=False, classes="title", id="how")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    async def action_agree(self) -> None:
        """A yes comes before the reason, so that keys meant for rows are no reason."""
        if not self._deed.asks:
            self.dismiss("")
            return
        why = Input(id="why", compact=True, max_length=200, placeholder=_WHY)
        await self.query_one("#box").mount(why, before="#how")
        why.focus()
        self.query_one("#how", Static).update(_DO_IT)

    def action_leave(self) -> None:
        self.dismiss(None)


class Reader(Screen[None]):
    """Text over the whole screen, to be scrolled."""

    BINDINGS = [  # noqa: RUF012 - as Textual reads it
        Binding("escape,q,enter,question_mark", "leave", show=False),
        Binding("r", "again", show=False),
        Binding("v", "verbose", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(15)", show=False),
        Binding("pageup", "scroll(-15)", show=False),
        Binding("home", "scroll(-1000000)", show=False),
        Binding("end", "scroll(1000000)", show=False),
    ]

    def __init__(self, lines: Callable[[bool], Awaitable[Sequence[str]]], *, more: str) -> None:
        """`lines(verbose)` are read anew each time; `more`: the keys that do something here."""
        super().__init__()
        self._lines = lines
        self._more = more
        self._verbose = False

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="text", can_focus=False):
            yield Static("reading ...", markup=False, id="lines")
        yield Static(markup=False, id="keys")

    def on_mount(self) -> None:
        self.watch(self.query_one("#text"), "scroll_y", self._tell_place)
        self._read()

    def on_resize(self) -> None:
        self.call_after_refresh(self._tell_place)

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_again(self) -> None:
        self._read()

    def action_verbose(self) -> None:
        self._verbose = not self._verbose
        self._read()

    def action_scroll(self, by: int) -> None:
        self.query_one("#text").scroll_relative(y=by, animate=False)

    @work(exclusive=True)
    async def _read(self) -> None:
        try:
            text = "\n".join(await self._lines(self._verbose))
        except StoreError as error:
            text = f"it can't be read now: {printable(str(error))}\n\nr: try again"
        self.query_one("#lines", Static).update(text)
        self.call_after_refresh(self._tell_place)

    def _tell_place(self) -> None:
        """Which lines are seen, of how many."""
        text = self.query_one("#text")
        total, top = text.virtual_size.height, round(text.scroll_y)
        last = min(top + text.size.height, total)
        self.query_one("#keys", Static).update(
            f"lines {top + 1}-{last} of {total}   Esc back   j k PgUp PgDn scroll{self._more}"
        )
