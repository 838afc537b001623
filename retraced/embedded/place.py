"""A data directory and the files in it that say which server it has and who uses it.

Both are told by file locks, which the kernel gives back however a process ends: users killed with
SIGKILL don't count, a crashed server's `server.json` is not believed, and no pid is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

from retraced.config import LOCAL_HOST
from retraced.embedded.filelock import FileLock, is_locked, sharers
from retraced.errors import ConfigError, Unavailable

_TURN_S = 90.0


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running server, as its `server.json` tells. `kept`: it stays when the last user leaves."""

    pid: int
    port: int
    directory: Path
    binary: str
    kept: bool

    @property
    def url(self) -> str:
        return f"redis://{LOCAL_HOST}:{self.port}"


@dataclass(frozen=True, slots=True)
class Place:
    """An embedded server's data directory. All but `turn` is to be called in one's turn."""

    directory: Path

    @classmethod
    def made(cls, directory: Path) -> Self:
        """The place in `directory`, which is made if need be. Raises ConfigError."""
        place = cls(directory.absolute())
        try:
            place.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            ignore = place.directory / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            with (place.directory / "turn.lock").open("ab"):
                pass  # it can be written here
        except OSError as error:
            raise _unusable(directory, error) from error
        return place

    def has_note(self) -> bool:
        """Whether a server has run here and didn't end in order, or still runs."""
        try:
            return self.note.exists()
        except OSError:
            return False

    @property
    def users(self) -> Path:
        return self.directory / "users.lock"

    @property
    def alive(self) -> Path:
        return self.directory / "alive.lock"

    @property
    def note(self) -> Path:
        return self.directory / "server.json"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Starting, stopping, joining and leaving happen one at a time. Raises Unavailable."""
        lock = FileLock(self.directory / "turn.lock")
        try:
            ours = lock.acquire(timeout_s=_TURN_S)
        except OSError as error:
            raise _unusable(self.directory, error) from error
        if not ours:
            raise Unavailable(
                f"another process has been starting or stopping the embedded server in "
                f"{self.directory} for {_TURN_S:.0f} s; see {self.log}"
            )
        try:
            yield
        finally:
            lock.release()

    def running(self) -> EmbeddedServer | None:
        """The server if it lives: its process holds `alive.lock` as long as it does."""
        if not is_locked(self.alive):
            return None
        try:
            facts = orjson.loads(self.note.read_bytes())
            return EmbeddedServer(
                pid=int(facts["pid"]),
                port=int(facts["port"]),
                directory=self.directory,
                binary=str(facts["binary"]),
                kept=bool(facts["kept"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"a server runs in {self.directory}, but {self.note.name} can't be read ({error}). "
                f"End it with: kill $(cat {self.directory / 'server.pid'})"
            ) from error

    def used(self) -> bool:
        """Whether any living process has joined."""
        return is_locked(self.users)

    def user_pids(self) -> list[int]:
        """Who has joined, where the system tells; see `sharers`."""
        return sharers(self.users)

    def write(self, server: EmbeddedServer) -> None:
        """Tells others about the server, in one step."""
        facts = {
            "url": server.url,
            "pid": server.pid,
            "port": server.port,
            "binary": server.binary,
            "kept": server.kept,
        }
        fresh = self.note.with_suffix(".new")
        fresh.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
        fresh.replace(self.note)

    def pid(self) -> int | None:
        """The pid that the server wrote down when it started."""
        with suppress(OSError, ValueError):
            return int((self.directory / "server.pid").read_text())
        return None

    def log_tail(self) -> str:
        with suppress(OSError):
            lines = self.log.read_text(errors="replace").strip().splitlines()
            if lines:
                return "\n".join(lines[-5:])
        return "(nothing)"


def _unusable(directory: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the embedded server can't keep its data in {_short(directory)}: "
        f"{error.strerror or error}. Name another directory with --url embedded://DIR."
    )


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text)} characters)"
