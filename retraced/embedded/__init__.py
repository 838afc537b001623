"""The embedded server: one for a data directory, shared by every process that wants it.

A process joins (and starts the server if none runs) and leaves; the last to leave stops it, unless
`server start` began it. The command line calls this.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from retraced.embedded.filelock import FileLock
from retraced.embedded.place import EmbeddedServer, Place
from retraced.embedded.process import answers, end, find_binary, launch


class Stay:
    """One process's use of an embedded server, until `leave`. `started`: this use began it."""

    def __init__(self, server: EmbeddedServer, place: Place, *, started: bool) -> None:
        self.server = server
        self.started = started
        self._place = place
        self._use = FileLock(place.users)
        self._use.acquire(shared=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Ends the use; stops the server when it was the last one and nobody wants it kept."""
        if not self._use.held:
            return
        if not self._place.directory.is_dir():
            self._use.release()
            return
        with self._place.turn():
            self._use.release()
            server = self._place.running()
            if server is not None and not server.kept and not self._place.used():
                end(self._place, server)


def join(directory: Path, *, port: int | None = None) -> Stay:
    """Uses the server of `directory`, started if none runs (on `port`, else 6379, else a free one).

    Raises ConfigError when no server can be started here, saying why and what to do.
    """
    place = Place.made(directory)
    with place.turn():
        server = place.running()
        if server is not None:
            return Stay(server, place, started=False)
        return Stay(launch(place, port=port, kept=False), place, started=True)


def start(directory: Path, *, port: int | None = None) -> tuple[EmbeddedServer, bool]:
    """Starts the server of `directory` to stay, or makes the running one stay; True if started.

    Raises ConfigError as `join` does.
    """
    place = Place.made(directory)
    with place.turn():
        server = place.running()
        if server is None:
            return launch(place, port=port, kept=True), True
        kept = replace(server, kept=True)
        place.write(kept)
        return kept, False


def status(directory: Path) -> tuple[EmbeddedServer | None, bool]:
    """The server of `directory` if one runs, and whether any process has joined it."""
    place = Place(directory.absolute())
    if not place.has_note():
        return None, False
    with place.turn():
        return place.running(), place.used()


def user_pids(directory: Path) -> list[int]:
    """The processes that have joined the server of `directory`, where the system tells (Linux)."""
    return Place(directory.absolute()).user_pids()


def stop(directory: Path) -> EmbeddedServer | None:
    """Ends the server of `directory` by SIGTERM and waits for it; None if none ran."""
    place = Place(directory.absolute())
    if not place.has_note():
        return None
    with place.turn():
        server = place.running()
        if server is not None:
            end(place, server)
        return server


__all__ = [
    "EmbeddedServer",
    "Stay",
    "answers",
    "find_binary",
    "join",
    "start",
    "status",
    "stop",
    "user_pids",
]
