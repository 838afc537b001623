"""How far a look has come: a bar on a terminal if it takes long, gone at the end; else nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest

from retraced.cli import progress


@contextmanager
def terminal() -> Iterator[int]:
    """The other end of a terminal that is standard error meanwhile."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w", buffering=1) as screen, redirect_stderr(screen):
        yield ours
    os.close(ours)


def written(screen: int) -> str:
    try:
        return os.read(screen, 65536).decode()
    except BlockingIOError:
        return ""


def test_a_long_look_shows_a_bar_and_wipes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    with terminal() as screen:
        with progress.looking(1000) as look:
            look.add(500)
            assert "500/1000" in written(screen)
            look.add(500)
        assert written(screen).endswith("\r\x1b[K\x1b[?25h")


def test_a_bar_that_comes_late_knows_what_was_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal() as screen, progress.looking(1000) as look:
        look.add(400)
        monkeypatch.setattr(look, "_from_s", 0.0)
        look.add(100)
        assert "500/1000" in written(screen)


def test_a_short_look_shows_nothing() -> None:
    with terminal() as screen:
        with progress.looking(1000) as look:
            look.add(1000)
        assert "looked at" not in written(screen)


def test_without_a_terminal_nothing_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)
    with progress.looking(1000) as look:
        look.add(1000)
    assert capsys.readouterr().err == ""
