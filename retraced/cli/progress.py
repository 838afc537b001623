"""How far a long command has come, on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

_LINE_EVERY_S = 10.0
_COUNT_EVERY_S = 0.1


class Progress:
    """Shows a growing number; `total` None when nobody knows it before the end.

    `quiet`: the results themselves are on the terminal.
    """

    def __init__(self, label: str, *, total: int | None, quiet: bool) -> None:
        self._label = label
        self._total = total
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._done = 0
        self._bar: Any = None
        self._next_s = time.monotonic() + (0 if self._live else _LINE_EVERY_S)

    def add(self, count: int) -> None:
        """So many more are through."""
        self._done += count
        if self._quiet:
            return
        if self._live and self._total:
            self._update(count, self._total)
        elif time.monotonic() >= self._next_s:
            self._tell()

    def close(self) -> None:
        """Leaves the terminal as it was."""
        if self._bar is not None:
            self._bar.render_finish()
        elif self._live and not self._quiet and self._done:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _update(self, count: int, total: int) -> None:
        if self._bar is None:
            self._bar = click.progressbar(
                length=total, label=self._label, file=sys.stderr, show_pos=True
            )
            self._bar.render_progress()
        self._bar.update(count)

    def _tell(self) -> None:
        known = f" of {self._total:,}" if self._total else ""
        line = f"{self._label}: {self._done:,}{known}"
        if self._live:
            click.echo(f"\r{line}\x1b[K", nl=False, err=True)
            self._next_s = time.monotonic() + _COUNT_EVERY_S
        else:
            click.echo(line, err=True)
            self._next_s = time.monotonic() + _LINE_EVERY_S
