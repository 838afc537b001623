"""Pipes between this process and a child: the event loop watches our ends, the child has theirs."""

import asyncio
import fcntl
import os
from abc import ABC, abstractmethod
from collections.abc import Callable

PIPE_BYTES = 65_536
LEFT_BYTES = 1_048_576
STANDARD = 3  # descriptors below are stdin, stdout and stderr


class Pipe(ABC):
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


class Reading(Pipe):
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


class Writing(Pipe):
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


def _pipe() -> tuple[int, int]:
    """A pipe whose ends aren't 0, 1 or 2, even where this process was started without those."""
    read, write = os.pipe()
    return _above_standard(read), _above_standard(write)


def _above_standard(descriptor: int) -> int:
    if descriptor >= STANDARD:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, STANDARD)
    os.close(descriptor)
    return moved
