"""A child process with pipes of our own, in a session of its own, that ends as a whole.

The pipes are ours because those of asyncio keep `wait()` waiting for grandchildren that hold them.
Used for `--exec` commands and for suspects; needs no thread for each pipe.
"""

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

PIPE_BYTES = 65_536
LEFT_BYTES = 1_048_576
GROUP_CHECK_S = 0.02


class _Pipe(ABC):
    """A pipe of which the child gets one end: `theirs`. Numbers are -1 while not open."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ours = self.theirs = -1

    def open(self) -> None:
        """Make the pipe, once. Raises OSError when there are no more file descriptors."""
        if self.theirs < 0:
            self._ours, self.theirs = self._ends(*os.pipe())
            os.set_blocking(self._ours, False)

    def begin(self) -> None:
        """Start the transfer; the child has its end by now."""
        self._close_theirs()
        self._begin()

    def close(self) -> None:
        """End it on our side."""
        self._close_theirs()
        self._close_ours()

    @abstractmethod
    def _ends(self, read: int, write: int) -> tuple[int, int]:
        """Which end is ours, and which is theirs."""

    @abstractmethod
    def _begin(self) -> None:
        """Starts to read from our end, or to write to it."""

    def _close_theirs(self) -> None:
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    def _close_ours(self) -> None:
        if self._ours >= 0:
            self._loop.remove_reader(self._ours)
            self._loop.remove_writer(self._ours)
            os.close(self._ours)
            self._ours = -1


class Reading(_Pipe):
    """What the child writes: bytes to `sink`, as they come."""

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        super().__init__()
        self._sink = sink

    def close(self) -> None:
        """Take what the child has left in the pipe; grandchildren that hold it lose it."""
        taken = 0
        while self._ours >= 0 and taken < LEFT_BYTES and (read := self._read()):
            taken += read
        super().close()

    def _ends(self, read: int, write: int) -> tuple[int, int]:
        return read, write

    def _begin(self) -> None:
        self._loop.add_reader(self._ours, self._read)

    def _read(self) -> int:
        try:
            data = os.read(self._ours, PIPE_BYTES)
        except BlockingIOError:
            return 0
        if data:
            self._sink(data)
        else:
            self._close_ours()
        return len(data)


class Writing(_Pipe):
    """What the child reads on its stdin: `data` as fast as it takes it; then the end of the file,
    or, with `keep_open`, nothing more until it is closed."""

    def __init__(self, data: bytes, *, keep_open: bool = False) -> None:
        super().__init__()
        self._data = memoryview(data)
        self._keep_open = keep_open

    def _ends(self, read: int, write: int) -> tuple[int, int]:
        return write, read

    def _begin(self) -> None:
        if not self._write():
            self._loop.add_writer(self._ours, self._write)

    def _write(self) -> bool:
        """Whether all is written that will ever be."""
        try:
            while self._data:
                self._data = self._data[os.write(self._ours, self._data) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._data = self._data[:0]  # it doesn't want the rest, which is its own affair
        if self._keep_open:
            self._loop.remove_writer(self._ours)
        else:
            self._close_ours()
        return True


class Child:
    """A started child process, leader of its own session and process group."""

    def __init__(self, process: Process, pipes: Sequence[Reading | Writing]) -> None:
        self._process = process
        self._pipes = pipes

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: Writing,
        stdout: Reading | None = None,
        stderr: Reading | None = None,
        extra: Reading | None = None,
    ) -> "Child":
        """Start it; `extra` is passed under the same number. Raises OSError and ValueError.

        None for stdout or stderr: this process's own. The pipes are closed when it can't start.
        """
        pipes = [pipe for pipe in (stdin, stdout, stderr, extra) if pipe is not None]
        try:
            for pipe in pipes:
                pipe.open()
            process = await asyncio.create_subprocess_exec(
                *command,
                env=dict(env),  # uvloop takes nothing else
                stdin=stdin.theirs,
                stdout=_theirs(stdout),
                stderr=_theirs(stderr),
                pass_fds=(extra.theirs,) if extra is not None else (),
                start_new_session=True,
            )
        except BaseException:
            _close(pipes)
            raise
        for pipe in pipes:
            pipe.begin()
        return cls(process, pipes)

    @property
    def pid(self) -> int:
        """Its process id, which is its session's and its process group's as well."""
        return self._process.pid

    async def wait(self) -> int:
        """Its return code, negative for a signal; grandchildren aren't waited for."""
        return await self._process.wait()

    async def left(self, within_s: float) -> bool:
        """Whether it ends by itself within this time."""
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    async def end(self, grace_s: float) -> bool:
        """SIGTERM to the whole process group, after `grace_s` SIGKILL. Whether it has gone.

        Cancelled in between, it kills at once.
        """
        try:
            self._signal(signal.SIGTERM)
            gone = await self._gone(grace_s)
        except asyncio.CancelledError:
            self._signal(signal.SIGKILL)
            raise
        if gone:
            return True
        self._signal(signal.SIGKILL)
        # Its other members may stay as zombies until someone reaps them. A leader that SIGKILL
        # can't end hangs in the kernel; the job doesn't have to.
        return await self.left(max(grace_s, 1.0))

    def close(self) -> None:
        """Close the pipes, after taking what is left in them."""
        _close(self._pipes)

    async def _gone(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
                while self._remains():  # noqa: ASYNC110 - the end of a group is no event
                    await asyncio.sleep(GROUP_CHECK_S)
        except TimeoutError:
            return False
        return True

    def _remains(self) -> bool:
        """Whether the group has members, now that its leader is gone."""
        # As process 1 of a container we inherit orphans, and they stay until we reap them.
        with suppress(ChildProcessError):
            while os.waitpid(-self._process.pid, os.WNOHANG)[0]:
                pass
        return self._signal(0)

    def _signal(self, number: int) -> bool:
        """Whether the process group is still there."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            # Its last members belong to someone else; the leader alone is ours to end.
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            return False
        return True


def returned(code: int) -> str:
    """`exit code 3` or `killed by signal SIGSEGV`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by signal {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _theirs(pipe: Reading | None) -> int | None:
    return None if pipe is None else pipe.theirs


def _close(pipes: Sequence[Reading | Writing]) -> None:
    for pipe in pipes:
        pipe.close()
