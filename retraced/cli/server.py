"""`retraced server`: starts, stops and shows the embedded server of a directory."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from retraced import embedded
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.config import DATA_DIRECTORY
from retraced.errors import NotFound, Refused

_COLUMNS = ("state", "url", "directory", "pid", "kept", "in_use")


_JSON = """
JSON: state, url, directory, pid, kept (runs until `server stop`), in_use (by other processes).
"""


@click.group(
    epilog="""
\b
Examples:
  retraced server start
  retraced server status
  retraced --url embedded:///var/lib/jobs server start --port 7000
"""
)
def server() -> None:
    """The embedded server, with its data in ./.retraced (or DIR of --url embedded://DIR)."""


@server.command(
    epilog=f"""
\b
Examples:
  retraced server start
  retraced server start --port 7000
{_JSON}"""
)
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 6379 if free, else any.")
@click.pass_obj
def start(session: Session, port: int | None) -> None:
    """Start it, to run until `server stop`."""
    running, started = embedded.start(session.data_directory(), port=port)
    did = "started" if started else "runs already; it now stays until `retraced server stop`:"
    note(f"{did} {running.url}, data in {running.directory}")
    _show(session, running, in_use=not started and embedded.status(running.directory)[1])


@server.command(
    epilog="""
\b
Examples:
  retraced server stop
  retraced server stop --yes
"""
)
@click.option("--yes", is_flag=True, help="Even while other processes use it.")
@click.pass_obj
def stop(session: Session, yes: bool) -> None:
    """Stop it; its data stay."""
    directory = session.data_directory()
    running, in_use = embedded.status(directory)
    if running is None:
        note(f"no embedded server runs in {directory}")
        return
    if in_use and not yes:
        raise Refused(
            f"other processes use the embedded server in {running.directory}{_pids(directory)}; "
            "stop them first, or add --yes"
        )
    embedded.stop(directory)
    note(f"stopped; its data stay in {running.directory}")


@server.command(epilog=f"\b\nExample:\n  retraced server status\n{_JSON}")
@click.pass_obj
def status(session: Session) -> None:
    """Show whether it runs, and where. Exit code 3 if it doesn't."""
    running, in_use = embedded.status(session.data_directory())
    if running is None:
        raise _not_running(session)
    _show(session, running, in_use=in_use)


@server.command(
    epilog="""
\b
Examples:
  retraced server url
  export RETRACED_URL="$(retraced server url)"
"""
)
@click.pass_obj
def url(session: Session) -> None:
    """Print its URL, for RETRACED_URL or redis-cli -u. Exit code 3 if it doesn't run."""
    running, _ = embedded.status(session.data_directory())
    if running is None:
        raise _not_running(session)
    click.echo(running.url)


def _show(session: Session, running: embedded.EmbeddedServer, *, in_use: bool) -> None:
    row: dict[str, Any] = {
        "state": "running",
        "url": running.url,
        "directory": str(running.directory),
        "pid": running.pid,
        "kept": running.kept,
        "in_use": in_use,
    }
    session.emit([row], _COLUMNS)


def _pids(directory: Path) -> str:
    pids = embedded.user_pids(directory)
    return f" (pid {', '.join(map(str, pids))})" if pids else ""


def _not_running(session: Session) -> NotFound:
    directory = session.data_directory()
    named = [] if directory == Path(DATA_DIRECTORY).absolute() else ["--url", _url(directory)]
    return NotFound(
        f"no embedded server runs in {directory}; start it: "
        f"{shlex.join(['retraced', *named, 'server', 'start'])}"
    )


def _url(directory: Path) -> str:
    return f"embedded://{quote(str(directory))}"
