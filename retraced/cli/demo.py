"""`retraced demo`: the real parts at work in front of you, with accounts at the end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from retraced.cli.output import Format
from retraced.cli.session import Session
from retraced.config import LOCAL_HOST

if TYPE_CHECKING:
    from retraced.demo.view import Screen

_SERVER = "server"

NEXT = """\
Next, a job of your own, added by any program that can say XADD:

  {retraced} server start
  redis-cli -p PORT XADD emails '*' to ada@example.org subject hi
    or {retraced} add emails to=ada@example.org subject=hi
  {retraced} consume emails --group mail --exec cat --drain
  {retraced} trace emails ID

PORT and ID are those that you were just told. The README goes on with Python."""


@click.command(epilog="Example: retraced demo")
def demo() -> None:
    """Show all of it in some 15 seconds: jobs that succeed, fail, wait, die and come back.

    Needs nothing and touches nothing: it starts a server of its own on a free port, in a temporary
    directory, and ends and removes all of it. Two groups work one stream, four worker processes in
    all; some of them are killed. At the end every job is accounted for, and every extra run has a
    reason; the exit code is 0 only if these sums are right.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="retraced-demo-") as name:
        wrong = _perform(Path(name))
    from retraced.cli.balance import verdict

    click.echo(verdict(wrong, seconds=time.monotonic() - began))
    if wrong:
        sys.exit(1)
    click.echo()
    click.echo(NEXT.format(retraced=_as_called()))


def _perform(directory: Path) -> Sequence[str]:
    """Plays and shows it; gives what is wrong with the sums."""
    from retraced import embedded
    from retraced.cli import balance
    from retraced.demo.play import Play

    with embedded.join(directory / _SERVER, port=_free_port()) as stay:
        url = stay.server.url
        screen = _screen(url)
        play = Play(directory, url, screen)
        try:
            accounts = asyncio.run(play.run())
        finally:
            screen.close()
        _tell_story(url, play.story)
    click.echo()
    for line in balance.lines(accounts):
        click.echo(line)
    return [f"group {each.group}: {what}" for each in accounts for what in each.wrong]


def _as_interrupt(*_: object) -> None:
    """SIGTERM and a closed terminal end it as Ctrl-C does."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _screen(url: str) -> Screen:
    from retraced.cli.live import Live, Plain

    title = f"ReTraced demo, on a server of its own at {url}"
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return Live(sys.stdout, title=title)
    return Plain(sys.stdout, title=title)


def _tell_story(url: str, job: str) -> None:
    """What `retraced trace` prints."""
    from retraced.cli.trace import trace
    from retraced.demo.orders import STREAM

    click.echo(f"\n$ retraced trace {STREAM} {job}")
    session = Session(flag_url=url, format=Format.TABLE)
    trace.main([STREAM, job], prog_name="retraced trace", obj=session, standalone_mode=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL_HOST, 0))
        return int(probe.getsockname()[1])


def _as_called() -> str:
    """How this very command was called, for the next ones."""
    called = Path(sys.argv[0])
    if called.name != "retraced":
        return f"{Path(sys.executable).name} -m retraced"
    found = shutil.which("retraced")
    same = found is not None and Path(found).absolute() == called.absolute()
    return "retraced" if same else sys.argv[0]
