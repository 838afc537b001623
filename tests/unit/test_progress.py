"""How far a look has come: a bar on a terminal if it takes long, gone at the end; else nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress

import pytest

from retraced.cli import progress
from tests.waiting import wait_until


@contextmanager
def terminal() -> Iterator[int]:
    """The other end of a terminal that is standard error meanwhile."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w", buffering=1) as screen, redirect_stderr(screen):
        yield ours
    os.close(ours)


def shows(screen: int, text: str, *, without: str = "\0") -> bool:
    """Whether the text comes (a terminal hands it on a little late), and the other one doesn't."""
    seen = ""

    def read() -> bool:
        nonlocal seen
        with suppress(BlockingIOError):
            seen += os.read(screen, 65536).decode()
        return text in seen

    wait_until(read, 5, f"{text!r} on the terminal")
    return without not in seen


def test_a_long_look_shows_a_bar_and_wipes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    with terminal() as screen:
        with progress.looking(1000) as look:
            look.add(500)
            assert shows(screen, "500/1000")
            look.add(500)
        assert shows(screen, "\r\x1b[K\x1b[?25h")


def test_a_bar_that_comes_late_knows_what_was_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal() as screen, progress.looking(1000) as look:
        look.add(400)
        monkeypatch.setattr(look, "_from_s", 0.0)
        look.add(100)
        assert shows(screen, "500/1000")


def test_a_short_look_shows_nothing() -> None:
    with terminal() as screen:
        with progress.looking(1000) as look:
            look.add(1000)
        os.write(sys.stderr.fileno(), b"end")
        assert shows(screen, "end", without="looked at")


def test_without_a_terminal_nothing_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    with progress.looking(1000) as look:
        look.add(1000)
    assert capsys.readouterr().err == ""
