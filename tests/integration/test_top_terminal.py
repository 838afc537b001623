"""`retraced top` at its edges: a terminal, none, no Textual; and what a refresh costs."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence

import pytest
import redis

from retraced.cli.top.data import MOST_LETTERS, Scope, Source, View
from retraced.store.connection import Connector, Link
from retraced.store.reads.activity import MOST_HELD
from tests.commands import run
from tests.servers import Server
from tests.stock import fill, stock

pytestmark = pytest.mark.by_turns

COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|9[0-7]|38;[0-9;]*)m")
WITHOUT_TEXTUAL = (
    "import sys; sys.modules['textual'] = None; from retraced.cli.main import main; main()"
)


class Terminal:
    """A program on a terminal of 80x24."""

    def __init__(self, arguments: Sequence[str], **environ: str) -> None:
        self.said = b""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES")}
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**plain, "TERM": "xterm-256color", **environ},
            start_new_session=True,
        )
        os.close(theirs)

    def hears(self, part: bytes, deadline: float = 20.0) -> None:
        end = time.monotonic() + deadline
        while part not in self.said:
            assert time.monotonic() < end, f"no {part!r} in {self.said[-2000:]!r}"
            self._read()

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def ends(self, deadline: float = 20.0) -> int:
        end = time.monotonic() + deadline
        while self._process.poll() is None and time.monotonic() < end:
            self._read()
        if self._process.poll() is None:
            self._process.kill()
            raise AssertionError(f"it goes on: {self.said[-2000:]!r}")
        self._read()
        os.close(self._ours)
        return self._process.returncode

    def _read(self) -> None:
        if select.select([self._ours], [], [], 0.1)[0]:
            try:
                self.said += os.read(self._ours, 65536)
            except OSError:  # the other side has ended
                self._process.wait(5)


@pytest.mark.parametrize("no_color", [False, True])
def test_it_runs_on_a_terminal_and_no_color_is_obeyed(
    url: str, stream: str, no_color: bool
) -> None:
    fill(url, stream)
    words = ["-m", "retraced", "--url", url, "top", "--stream", stream]
    terminal = Terminal(words, **({"NO_COLOR": "1"} if no_color else {}))
    terminal.hears(b"1 Groups 1")
    terminal.hears(stream.encode())
    terminal.type(b"q")
    assert terminal.ends() == 0
    assert bool(COLOUR.search(terminal.said)) is not no_color


def test_ctrl_c_ends_it(url: str, stream: str) -> None:
    fill(url, stream)
    terminal = Terminal(["-m", "retraced", "--url", url, "top", "--stream", stream])
    terminal.hears(b"1 Groups 1")
    terminal.type(b"\x03")
    assert terminal.ends() == 0


def test_without_textual_it_is_exit_2_with_the_remedy(url: str) -> None:
    terminal = Terminal(["-c", WITHOUT_TEXTUAL, "--url", url, "top"])
    assert terminal.ends() == 2
    assert b"pip install 'retraced[tui]'" in terminal.said


def test_a_stream_that_isnt_there_is_exit_3(url: str, stream: str) -> None:
    fill(url, stream)
    terminal = Terminal(["-m", "retraced", "--url", url, "top", "--stream", f"{stream}x"])
    assert terminal.ends() == 3
    assert b"Did you mean" in terminal.said


def test_without_a_terminal_it_is_exit_2_and_names_other_commands(url: str) -> None:
    ran = run(url, "top", form="")
    assert ran.code == 2
    assert "retraced streams" in ran.err
    assert "retraced groups list" in ran.err


def test_it_has_no_output_format(url: str) -> None:
    assert run(url, "top", form="jsonl").code == 2


def test_a_refresh_costs_as_much_with_many_jobs_as_with_few(private_server: Server) -> None:
    """All views, read twice: what the second time takes is what each refresh takes."""
    spent: list[dict[View, int]] = []
    for each in (120, 1200):
        asyncio.run(_filled(private_server.url, f"s{each}", each))
        spent.append(asyncio.run(_spent(private_server.url, f"s{each}")))
    assert spent[0] == spent[1]
    assert max(spent[0].values()) <= 30


async def test_a_refresh_reads_a_bounded_number_of_rows(url: str, stream: str, link: Link) -> None:
    await stock(link, stream, each=250)
    source = Source(link, Scope(stream, "mail"))
    held, dead = await source.read(View.HELD), await source.read(View.DEAD)
    assert len(held.held) <= MOST_HELD
    assert len(dead.letters) == MOST_LETTERS
    assert dead.groups[0].counts.dead == 250


async def _filled(url: str, stream: str, each: int) -> None:
    async with Connector(url, timeout_s=30).link() as link:
        await stock(link, stream, each=each)


async def _spent(url: str, stream: str) -> dict[View, int]:
    """Commands that one refresh of each view sends, the second time."""
    spent = {}
    with redis.Redis.from_url(url) as other:
        async with Connector(url).link() as link:
            source = Source(link, Scope(stream, "mail"))
            for view in View:
                await source.read(view)
                before = _commands(other)
                await source.read(view)
                spent[view] = _commands(other) - before - 1
    return spent


def _commands(client: redis.Redis) -> int:
    told: int = client.info("stats")["total_commands_processed"]
    return told
