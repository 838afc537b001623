"""A child process with pipes of our own, in a session of its own, that ends as a whole.

It is started by `posix_spawn` and its end is seen through a pidfd (a thread, where there is none):
asyncio's own way takes several times as long, most of all under uvloop, and its pipes keep `wait()`
waiting for grandchildren that hold them. Used for `--exec` commands and for suspects.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from retraced.handlers.exits import Exit
from retraced.handlers.pipes import Pipe, Reading, Writing
from retraced.handlers.spawning import keep_to_ourselves, spawned

GROUP_CHECK_S = 0.02


class Child:
    """A started child process, leader of its own session and process group."""

    def __init__(self, pid: int, pipes: Sequence[Reading | Writing], listen_after_s: float) -> None:
        self.pid = pid  # its session's and its process group's as well
        self._pipes = pipes
        self._exit = Exit(pid)
        self._timer: asyncio.TimerHandle | None = None
        for pipe in pipes:
            pipe.begin()
        if listen_after_s:
            self._timer = asyncio.get_running_loop().call_later(listen_after_s, self._listen)
        else:
            self._listen()

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: Writing,
        stdout: Reading | None = None,
        stderr: Reading | None = None,
        extra: Reading | None = None,
        listen_after_s: float = 0.0,
    ) -> "Child":
        """Start it; `extra` is passed under the same number. Raises OSError and ValueError.

        The command is looked up in the PATH of `env`. None for stdout or stderr: this process's
        own. The pipes are closed when it can't start. What it writes in its first `listen_after_s`
        is read when they are over or at its end: one that ends sooner costs the loop less.
        """
        pipes = [pipe for pipe in (stdin, stdout, stderr, extra) if pipe is not None]
        try:
            keep_to_ourselves()
            for pipe in pipes:
                pipe.open()
            if extra is not None:
                os.set_inheritable(extra.theirs, True)
            pid = spawned(command, env, (stdin, stdout, stderr))
        except BaseException:
            _close(pipes)
            raise
        return cls(pid, pipes, listen_after_s)

    async def wait(self) -> int:
        """Its return code, negative for a signal; grandchildren aren't waited for."""
        return await self._exit.wait()

    async def left(self, within_s: float) -> bool:
        """Whether it ends by itself within this time."""
        try:
            async with asyncio.timeout(within_s):
                await self._exit.wait()
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
        if self._timer is not None:
            self._timer.cancel()
        _close(self._pipes)

    def _listen(self) -> None:
        for pipe in self._pipes:
            if isinstance(pipe, Reading):
                pipe.listen()

    async def _gone(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._exit.wait()
                while self._remains():  # noqa: ASYNC110 - the end of a group is no event
                    await asyncio.sleep(GROUP_CHECK_S)
        except TimeoutError:
            return False
        return True

    def _remains(self) -> bool:
        """Whether the group has members, now that its leader is gone."""
        # As process 1 of a container we inherit orphans, and they stay until we reap them.
        with suppress(ChildProcessError):
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass
        return self._signal(0)

    def _signal(self, number: int) -> bool:
        """Whether the process group is still there."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            # Its last members belong to someone else; the leader alone is ours to end.
            if self._exit.code is None:
                os.kill(self.pid, number)
            return False
        return True


def _close(pipes: Sequence[Pipe]) -> None:
    for pipe in pipes:
        pipe.close()
