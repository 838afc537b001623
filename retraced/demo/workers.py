"""The demo's worker processes: started, started again when they die, killed, stopped."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from retraced import demo
from retraced.demo.ledger import WORKER
from retraced.demo.orders import BILLING, MAIL, STREAM
from retraced.demo.shop import EXIT_OF_PRINTER
from retraced.errors import RetracedError

MAIL_LEDGER = "mail.ledger"
STOP_S = 10.0

_PACKAGE = Path(demo.__file__).parent
_COMMON = ["--visibility-timeout", "3s", "--concurrency", "8", "--prefetch", "0", "--grace", "5s"]
_LOG_LINES = 15


class DemoFailed(RetracedError):
    """Something went otherwise than the demo means to show."""


class Death(StrEnum):
    """How a worker died, and how the screen says it."""

    KILLED = "was killed with SIGKILL, at work"
    OF_A_JOB = "was ended by a job"


def ways(directory: Path) -> Mapping[str, Sequence[str]]:
    """How each group works its jobs: one by Python handlers, one by a command for each job."""
    receipt = (sys.executable, "-I", "-S", str(_PACKAGE / "receipt.py"))
    command = shlex.join([*receipt, str(directory / MAIL_LEDGER)])
    backoff = ("--backoff", "exponential:300ms..2s")
    return {
        BILLING: ("--app", "retraced.demo.shop:app"),
        MAIL: ("--exec", command, *backoff),
    }


class Workers:
    """Keeps two processes at work for each group, from entering to leaving; `deaths` by name.

    `tell(group, text)` is called when one died and another takes its place. One that ends for
    another reason than a kill or the label printer ends the demo: DemoFailed, with its log.
    """

    def __init__(self, directory: Path, url: str, *, tell: Callable[[str, str], None]) -> None:
        self.deaths: dict[str, Death] = {}
        self._directory = directory
        self._url = url
        self._tell = tell
        self._ways = ways(directory)
        self._started = Counter[str]()
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        for group in (*self._ways, *self._ways):
            self._tasks.create_task(self._keep(group))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """SIGTERM, as a deploy would: they finish what they run, and end by themselves.

        When the demo itself is ended, SIGKILL after a while.
        """
        self._stopping.set()
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self._tasks.__aexit__(kind, error, trace)
        finally:
            await self._end()

    @property
    def living(self) -> int:
        """How many processes are at work."""
        return len(self._running)

    def kill(self, name: str) -> None:
        """SIGKILL: it has no time to give anything back."""
        self.deaths[name] = Death.KILLED
        self._running[name].kill()

    async def _keep(self, group: str) -> None:
        while not self._stopping.is_set():
            self._started[group] += 1
            name = f"{group}-{self._started[group]}"
            process = await self._start(group, name)
            self._running[name] = process
            if self._stopping.is_set():
                process.terminate()
            code = await process.wait()
            del self._running[name]
            if name in self.deaths or code == EXIT_OF_PRINTER:
                self._died(group, name)
            elif code or not self._stopping.is_set():
                raise DemoFailed(f"the worker {name} ended with {code}:\n{self._log(name)}")

    def _died(self, group: str, name: str) -> None:
        death = self.deaths.setdefault(name, Death.OF_A_JOB)
        self._tell(group, f"worker {name} {death}; {group}-{self._started[group] + 1} follows")

    async def _start(self, group: str, name: str) -> asyncio.subprocess.Process:
        # A session of its own: Ctrl-C at the terminal is for the demo, which then stops them.
        with self._log_path(name).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "retraced", "--url", self._url, "consume", STREAM),
                *("--group", group, *self._ways[group], *_COMMON, "--consumer", name),
                cwd=self._directory,
                env=environment(self._directory) | {WORKER: name},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _end(self) -> None:
        """Ends what has not ended by itself."""
        left = list(self._running.values())
        if not left:
            return
        waits = [asyncio.create_task(process.wait()) for process in left]
        await asyncio.wait(waits, timeout=STOP_S)
        self._signal(signal.SIGKILL)
        await asyncio.wait(waits)

    def _signal(self, number: int) -> None:
        for process in self._running.values():
            with suppress(ProcessLookupError):
                process.send_signal(number)

    def _log(self, name: str) -> str:
        lines = self._log_path(name).read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])

    def _log_path(self, name: str) -> Path:
        return self._directory / f"{name}.log"


def environment(directory: Path) -> dict[str, str]:
    """The user's, less settings that are meant for other servers and workers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RETRACED_", "REDIS_"))
    }
    paths = [str(_PACKAGE.parents[1]), *filter(None, [kept.get("PYTHONPATH")])]
    return kept | {"DEMO_DIRECTORY": str(directory), "PYTHONPATH": os.pathsep.join(paths)}
