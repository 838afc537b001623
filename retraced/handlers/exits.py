"""The ends of child processes, seen through pidfds; by a thread for each where there are none."""

import asyncio
import os
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakKeyDictionary

UNKNOWN_CODE = 255  # of a child that somebody else has reaped


class Exit:
    """The end of a child, which is reaped as soon as it comes, whether somebody waits or not."""

    def __init__(self, pid: int) -> None:
        self.code: int | None = None
        self._pid = pid
        self._loop = asyncio.get_running_loop()
        self._waiters: list[asyncio.Future[int]] = []
        if not _Pidfds.of(self._loop).watch(pid, self._ended):
            threading.Thread(target=self._await_it, daemon=True).start()

    async def wait(self) -> int:
        if self.code is not None:
            return self.code
        waiter: asyncio.Future[int] = self._loop.create_future()
        self._waiters.append(waiter)
        return await waiter

    def _ended(self) -> bool:
        """Whether it has ended indeed."""
        code = _reaped(self._pid, os.WNOHANG)
        if code is not None:
            self._tell(code)
        return code is not None

    def _await_it(self) -> None:
        code = _reaped(self._pid, 0) or 0
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._tell, code)

    def _tell(self, code: int) -> None:
        self.code = code
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(code)
        self._waiters.clear()


class _Pidfds:
    """All children of one event loop, in an epoll set of their own: the loop watches only that.

    (To give each pidfd to the loop costs uvloop a dozen system calls for each child.)
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ended: dict[int, Callable[[], bool]] = {}
        self._set: select.epoll | None = None
        if hasattr(os, "pidfd_open"):
            self._set = select.epoll()
            loop.add_reader(self._set.fileno(), self._look)

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "_Pidfds":
        found = _pidfds.get(loop)
        if found is None:
            found = _pidfds[loop] = cls(loop)
        return found

    def watch(self, pid: int, ended: Callable[[], bool]) -> bool:
        """Calls `ended` at the end of the child, until that is true. False: it can't be watched."""
        if self._set is None:
            return False
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:  # an old kernel, forbidden, or no descriptor is left
            return False
        try:
            self._set.register(descriptor, select.EPOLLIN)
        except OSError:  # the user's limit of watches
            os.close(descriptor)
            return False
        self._ended[descriptor] = ended
        return True

    def _look(self) -> None:
        assert self._set is not None, "it is the set that is readable"
        for descriptor, _ in self._set.poll(0):
            if self._ended[descriptor]():
                del self._ended[descriptor]
                self._set.unregister(descriptor)
                os.close(descriptor)


_pidfds: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pidfds] = WeakKeyDictionary()


def returned(code: int) -> str:
    """`exit code 3` or `killed by signal SIGSEGV`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by signal {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _reaped(pid: int, options: int) -> int | None:
    """The child's return code; None while it runs, with WNOHANG."""
    try:
        ended, status = os.waitpid(pid, options)
    except ChildProcessError:
        return UNKNOWN_CODE
    return os.waitstatus_to_exitcode(status) if ended else None
