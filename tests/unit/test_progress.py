"""How far a look has come: a bar on a terminal if it takes long, gone at the end; else nothing."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import pytest

from retraced.cli import progress
from tests.terminal import shows, terminal


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


def test_a_long_count_is_shown_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PATIENCE_S", 0.0)

    async def pages() -> AsyncIterator[list[int]]:
        yield [1, 2, 3]
        yield [4, 5]

    with terminal() as screen:
        assert asyncio.run(progress.counted(pages(), most=None)) == 5
        assert shows(screen, "counted: 3")
        assert asyncio.run(progress.counted(pages(), most=2)) == 2
        os.write(sys.stderr.fileno(), b"end")
        assert shows(screen, "\r\x1b[Kend")
