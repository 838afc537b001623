"""Runs a command once a job, for `consume --exec COMMAND`: no shell, the body on its stdin.

Its exit code says what came of the job: 0 done, 65 bury, anything else try again by the policy.
"""

import asyncio
import errno
import json
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from retraced.errors import ConfigError
from retraced.handlers.child import Child
from retraced.handlers.exits import returned
from retraced.handlers.pipes import Reading, Writing
from retraced.job import Job
from retraced.outcome import Failed, Outcome, Rejected, Succeeded, TimedOut

EXIT_DONE = 0
EXIT_BURY = 65  # EX_DATAERR of sysexits.h
STDERR_BYTES = 4_096
LINE_BYTES = 8_192
GRACE_S = 5.0
LISTEN_AFTER_S = 0.01

_OURS = ("REDIS_", "REDISCLI_", "VALKEY_", "VALKEYCLI_", "RETRACED_")
_OF_THE_JOB = frozenset({"TRACEPARENT", "TRACESTATE"})


class ProcessRunner:
    """Runs `command`, split once as a shell would split it, for each job.

    `on_line` gets each line of the command's stdout; `grace_s` is the time between SIGTERM and
    SIGKILL when an attempt is ended from outside. Raises ConfigError for a command that can't be
    split or found.
    """

    def __init__(
        self,
        command: str,
        *,
        environ: Mapping[str, str] | None = None,
        on_line: Callable[[Job, str], None] | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._command = _split(command)
        environ = os.environ if environ is None else environ
        self._env = {
            name: value
            for name, value in environ.items()
            if not name.startswith(_OURS) and name not in _OF_THE_JOB
        }
        self._on_line = on_line or _nobody
        self._grace_s = grace_s

    def check(self) -> None:
        """Find the command. Raises ConfigError that says what is wrong with it."""
        name = self._command[0]
        if shutil.which(name, path=self._env.get("PATH", os.defpath)) is not None:
            return
        if os.sep not in name:
            raise ConfigError(
                f"--exec: command {name!r} not found on PATH; install it, or give its path"
            )
        path = Path(name)
        if path.is_dir():
            raise ConfigError(f"--exec: {name!r} is a directory, not a command")
        if path.exists():
            raise ConfigError(f"--exec: {name!r} isn't executable; try chmod +x {name}")
        raise ConfigError(f"--exec: command {name!r} not found from {Path.cwd()}")

    async def run(self, job: Job, body: bytes, *, timeout_ms: int | None = None) -> Outcome:
        """One attempt. Cancelled, it ends the whole process group before it passes that on."""
        lines = _Lines(self._on_line, job)
        errors = _Tail()
        try:
            child = Child.start(
                self._command,
                env=self._env | _facts(job),
                stdin=Writing(body),
                stdout=Reading(lines.add),
                stderr=Reading(errors.add),
                listen_after_s=LISTEN_AFTER_S,
            )
        except (OSError, ValueError) as error:
            return self._not_started(error)
        try:
            outcome = await self._finished(child, timeout_ms)
        finally:
            child.close()
            lines.end()
        return _outcome(outcome, errors.text()) if isinstance(outcome, int) else outcome

    async def _finished(self, child: Child, timeout_ms: int | None) -> int | TimedOut:
        """The return code, or that its time was up."""
        try:
            if timeout_ms is None:
                return await child.wait()
            async with asyncio.timeout(timeout_ms / 1000):
                return await child.wait()
        except TimeoutError:
            gone = await child.end(self._grace_s)
            return TimedOut(timeout_ms or 0, abandoned=not gone)
        except asyncio.CancelledError:
            await child.end(self._grace_s)
            raise

    def _not_started(self, error: OSError | ValueError) -> Outcome:
        name = self._command[0]
        if isinstance(error, ValueError):
            return Rejected(f"can't start {name}: the job's type or trace holds a null byte")
        if error.errno == errno.E2BIG:
            return Rejected(f"can't start {name}: the job's headers don't fit in an environment")
        if error.errno == errno.ENOEXEC:
            return Failed(f"can't start {name}: {error.strerror}; does it begin with #!/bin/sh?")
        return Failed(f"can't start {name}: {error.strerror or error}")


class _Lines:
    """Bytes of stdout in pieces of any size; text to the log, a line at a time."""

    def __init__(self, on_line: Callable[[Job, str], None], job: Job) -> None:
        self._on_line = on_line
        self._job = job
        self._rest = b""

    def add(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._tell(line)
        while len(rest) > LINE_BYTES:
            self._tell(rest[:LINE_BYTES])
            rest = rest[LINE_BYTES:]
        self._rest = rest

    def end(self) -> None:
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def _tell(self, line: bytes) -> None:
        for start in range(0, len(line) or 1, LINE_BYTES):
            text = line[start : start + LINE_BYTES].removesuffix(b"\r")
            self._on_line(self._job, text.decode("utf-8", "replace"))


class _Tail:
    """The last bytes of stderr."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, data: bytes) -> None:
        self._bytes = (self._bytes + data)[-STDERR_BYTES:]

    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace").strip()


def _outcome(code: int, errors: str) -> Outcome:
    if code == EXIT_DONE:
        return Succeeded()
    if code == EXIT_BURY:
        return Rejected(returned(code), errors)
    return Failed(f"{returned(code)}: {errors}" if errors else returned(code))


def _facts(job: Job) -> dict[str, str]:
    headers = job.headers
    facts = {
        "RETRACED_JOB_ID": job.id,
        "RETRACED_JOB_TYPE": job.type,
        "RETRACED_JOB_STREAM": job.stream,
        "RETRACED_JOB_GROUP": job.group,
        "RETRACED_JOB_ATTEMPT": str(job.attempt),
        "RETRACED_JOB_FENCE": str(job.fence),
        "RETRACED_JOB_HEADERS": json.dumps(headers, ensure_ascii=False) if headers else "{}",
    }
    if job.traceparent is not None:
        facts["TRACEPARENT"] = job.traceparent
    if job.tracestate is not None:
        facts["TRACESTATE"] = job.tracestate
    return facts


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"--exec: can't split {command!r}: {error}; check its quotes") from None
    if not words:
        raise ConfigError("--exec: the command is empty")
    return words


def _nobody(job: Job, line: str) -> None:
    """Nobody wants the command's output."""
