"""How far a long command has come, on stderr: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

_LINE_EVERY_S = 10.0
_COUNT_EVERY_S = 0.1
_PATIENCE_S = 0.5
_WIPED = "\r\x1b[K\x1b[?25h"  # click's bar hides the cursor


@contextmanager
def looking(total: int | None, *, quiet: bool = False) -> Iterator[Progress]:
    """While a command only looks at jobs: a bar on a terminal if it takes long, gone at the end."""
    progress = Progress(
        "looked at", total=total, quiet=quiet or not sys.stderr.isatty(), passing=True
    )
    try:
        yield progress
    finally:
        progress.close()


async def counted(pages: AsyncIterator[Sequence[object]], *, most: int | None) -> int:
    """How many the pages hold, no more than `most`; shows how far it is if that takes long."""
    count = 0
    progress = Progress("counted", total=None, quiet=not sys.stderr.isatty(), passing=True)
    try:
        async for page in pages:
            count += len(page)
            progress.add(len(page))
            if most is not None and count >= most:
                return most
    finally:
        progress.close()
    return count


class Progress:
    """Shows a growing number; `total` None when nobody knows it before the end.

    `quiet`: the results themselves are on the terminal. `passing`: it comes only after half a
    second, and goes.
    """

    def __init__(
        self, label: str, *, total: int | None, quiet: bool, passing: bool = False
    ) -> None:
        self._label = label
        self._total = total
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._done = 0
        self._bar: Any = None
        self._passing = passing
        self._from_s = time.monotonic() + (_PATIENCE_S if passing else 0)
        self._next_s = self._from_s + (0 if self._live else _LINE_EVERY_S)

    def add(self, count: int) -> None:
        """So many more are through."""
        self._done += count
        if self._quiet or time.monotonic() < self._from_s:
            return
        if self._live and self._total:
            self._update(self._total)
        elif time.monotonic() >= self._next_s:
            self._tell()

    def close(self) -> None:
        """Leaves the terminal as it was."""
        if self._bar is not None and not self._passing:
            self._bar.render_finish()
        elif self._bar is not None:
            click.echo(_WIPED, nl=False, err=True)
        elif self._live and not self._quiet and self._done:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _update(self, total: int) -> None:
        if self._bar is None:
            self._bar = click.progressbar(
                length=total, label=self._label, file=sys.stderr, show_pos=True
            )
            self._bar.render_progress()
        self._bar.update(self._done - self._bar.pos)

    def _tell(self) -> None:
        known = f" of {self._total:,}" if self._total else ""
        line = f"{self._label}: {self._done:,}{known}"
        if self._live:
            click.echo(f"\r{line}\x1b[K", nl=False, err=True)
            self._next_s = time.monotonic() + _COUNT_EVERY_S
        else:
            click.echo(line, err=True)
            self._next_s = time.monotonic() + _LINE_EVERY_S
