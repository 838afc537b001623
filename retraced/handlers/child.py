"""A child process with pipes of our own, in a session of its own, that ends as a whole.

It is started by `posix_spawn` and its end is seen through a pidfd (a thread, where there is none):
asyncio's own way takes several times as long, most of all under uvloop, and its pipes keep `wait()`
waiting for grandchildren that hold them. Used for `--exec` commands and for suspects.
"""

import asyncio
import errno
import fcntl
import os
import select
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from weakref import WeakKeyDictionary

PIPE_BYTES = 65_536
LEFT_BYTES = 1_048_576
GROUP_CHECK_S = 0.02
UNKNOWN_CODE = 255  # of a child that somebody else has reaped

# What Python ignores and a command must not inherit as ignored.
_TO_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)
_STANDARD = 3


class _Pipe(ABC):
    """A pipe of which the child gets one end: `theirs`. Numbers are -1 while not open."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ours = self.theirs = -1

    def open(self) -> None:
        """Make the pipe, once. Raises OSError when there are no more file descriptors."""
        if self.theirs < 0:
            self._ours, self.theirs = self._ends(*_pipe())
            os.set_blocking(self._ours, False)

    def begin(self) -> None:
        """The child has its end by now."""
        self._close_theirs()

    def close(self) -> None:
        """End it on our side."""
        self._close_theirs()
        self._close_ours()

    @abstractmethod
    def _ends(self, read: int, write: int) -> tuple[int, int]:
        """Which end is ours, and which is theirs."""

    def _close_theirs(self) -> None:
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    def _close_ours(self) -> None:
        if self._ours >= 0:
            self._let_go()
            os.close(self._ours)
            self._ours = -1

    @abstractmethod
    def _let_go(self) -> None:
        """The event loop has nothing more to do with our end."""


class Reading(_Pipe):
    """What the child writes: bytes to `sink`, as they come."""

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        super().__init__()
        self._sink = sink
        self._listens = False

    def listen(self) -> None:
        """Take what comes from now on as it comes; before, it stays in the pipe."""
        if self._ours >= 0:
            self._listens = True
            self._loop.add_reader(self._ours, self._read)

    def close(self) -> None:
        """Take what the child has left in the pipe; grandchildren that hold it lose it."""
        taken = 0
        while self._ours >= 0 and taken < LEFT_BYTES and (read := self._read()):
            taken += read
        super().close()

    def _ends(self, read: int, write: int) -> tuple[int, int]:
        return read, write

    def _let_go(self) -> None:
        if self._listens:
            self._loop.remove_reader(self._ours)

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
        self._waits = False

    def _ends(self, read: int, write: int) -> tuple[int, int]:
        return write, read

    def begin(self) -> None:
        """Start to write."""
        super().begin()
        if not self._write():
            self._waits = True
            self._loop.add_writer(self._ours, self._write)

    def _let_go(self) -> None:
        if self._waits:
            self._waits = False
            self._loop.remove_writer(self._ours)

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
            self._let_go()
        else:
            self._close_ours()
        return True


class Child:
    """A started child process, leader of its own session and process group."""

    def __init__(self, pid: int, pipes: Sequence[Reading | Writing], listen_after_s: float) -> None:
        self.pid = pid  # its session's and its process group's as well
        self._pipes = pipes
        self._exit = _Exit(pid)
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
            _keep_to_ourselves()
            for pipe in pipes:
                pipe.open()
            if extra is not None:
                os.set_inheritable(extra.theirs, True)
            pid = _spawned(command, env, (stdin, stdout, stderr))
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


class _Exit:
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


def _spawned(
    command: Sequence[str], env: Mapping[str, str], standard: Sequence[_Pipe | None]
) -> int:
    """The process id of the command, started with these pipes as its descriptors 0, 1 and 2."""
    actions = [
        (os.POSIX_SPAWN_DUP2, pipe.theirs, number)
        for number, pipe in enumerate(standard)
        if pipe is not None
    ]

    def start(path: str) -> int:
        return os.posix_spawn(
            path, list(command), env, file_actions=actions, setsid=True, setsigdef=_TO_DEFAULT
        )

    name = command[0]
    if os.sep in name:
        return start(name)
    return _first_found(name, env.get("PATH", os.defpath), start)


def _first_found(name: str, path: str, start: Callable[[str], int]) -> int:
    """Starts the first command of this name on the PATH; remembered, as a shell remembers it."""
    with suppress(KeyError, FileNotFoundError):
        return start(_found[name, path])
    refused: OSError | None = None
    for folder in path.split(os.pathsep):
        place = os.path.join(folder, name)  # noqa: PTH118 - the PATH's own spelling
        if not os.access(place, os.F_OK):
            continue
        try:
            pid = start(place)
        except (FileNotFoundError, NotADirectoryError) as error:
            refused = refused or error
        except PermissionError as error:  # there may be one further on that we may run
            refused = error
        else:
            _found[name, path] = place
            return pid
    raise refused or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


_found: dict[tuple[str, str], str] = {}  # a worker has one command and one PATH


@cache
def _keep_to_ourselves() -> None:
    """Descriptors that this process was started with aren't for its children; Python's never are.

    Done once: what is opened later isn't inheritable unless somebody wants it to be.
    """
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - no path is wanted
        with suppress(OSError):  # the listing's own descriptor is closed by now
            if int(name) >= _STANDARD:
                os.set_inheritable(int(name), False)


def _pipe() -> tuple[int, int]:
    """A pipe whose ends aren't 0, 1 or 2, even where this process was started without those."""
    read, write = os.pipe()
    return _above_standard(read), _above_standard(write)


def _above_standard(descriptor: int) -> int:
    if descriptor >= _STANDARD:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _STANDARD)
    os.close(descriptor)
    return moved


def _reaped(pid: int, options: int) -> int | None:
    """The child's return code; None while it runs, with WNOHANG."""
    try:
        ended, status = os.waitpid(pid, options)
    except ChildProcessError:
        return UNKNOWN_CODE
    return os.waitstatus_to_exitcode(status) if ended else None


def _close(pipes: Sequence[_Pipe]) -> None:
    for pipe in pipes:
        pipe.close()
