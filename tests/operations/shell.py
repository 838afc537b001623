"""One bash for one section of the runbook, at a terminal of 80 columns: variables stay."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_STAND_IN = Path(__file__).with_name("redis_cli.py")
_DEADLINE_S = 40.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed (both outputs, as they came) and its exit code."""

    output: str
    code: int


class Shell:
    """Runs commands one after another in the same bash, in a directory of its own.

    Their output is a terminal, so that they print what a person sees; what stands in `$(...)`
    prints for a program.
    """

    def __init__(self, place: Path, environ: Mapping[str, str]) -> None:
        self._mark = f"--{uuid.uuid4().hex}--"
        self._terminal, inside = os.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=place,
            env=_environ(place) | dict(environ),
            stdin=subprocess.PIPE,
            stdout=inside,
            stderr=inside,
            bufsize=0,
        )
        os.close(inside)

    def run(self, command: str) -> Said:
        """Runs it to its end; AssertionError if it takes too long or ends the shell."""
        assert self._bash.stdin is not None
        script = f"{{ {command}\n}} </dev/null\nprintf '%s%d\\n' '{self._mark}' $?\n"
        self._bash.stdin.write(script.encode())
        text, _, code = self._read(command).rpartition(self._mark)
        return Said(re.sub(r"[\r\n]+", "\n", _CONTROL.sub("", text)), int(code))

    def close(self) -> None:
        self._bash.kill()
        self._bash.wait()
        if self._bash.stdin is not None:
            self._bash.stdin.close()
        os.close(self._terminal)

    def _read(self, command: str) -> str:
        text, end = "", time.monotonic() + _DEADLINE_S
        while self._mark not in text or not text.endswith("\n"):
            left = max(end - time.monotonic(), 0)
            ready, _, _ = select.select([self._terminal], [], [], left)
            chunk = self._chunk() if ready else b""
            if not chunk:
                raise AssertionError(f"{command!r} doesn't end, or ended the shell:\n{text}")
            text += chunk.decode("utf-8", "replace")
        return text

    def _chunk(self) -> bytes:
        try:
            return os.read(self._terminal, 65536)
        except OSError:  # bash has ended, and all that had its terminal
            return b""


def redis_cli() -> str:
    """Which redis-cli the page's commands get, for the header of a run."""
    return shutil.which("redis-cli") or "none on PATH: tests/operations/redis_cli.py stands in"


def _environ(place: Path) -> dict[str, str]:
    ours = ("RETRACED_", "REDIS_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        inherited.pop(name, None)
    bin_ = place / "bin"
    bin_.mkdir(exist_ok=True)
    if shutil.which("redis-cli") is None:
        script = bin_ / "redis-cli"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{_STAND_IN}" "$@"\n')
        script.chmod(0o755)
    commands = Path(sys.executable).parent
    path = f"{bin_}:{commands}:{inherited['PATH']}"
    return inherited | {"PATH": path, "TERM": "xterm", "USER": "ada"}
