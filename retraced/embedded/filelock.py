"""A lock on a file, held by a process until it releases it or ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

_PAUSE_S = 0.01


class FileLock:
    """An flock on `path`, which is made if need be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def acquire(self, *, shared: bool = False, timeout_s: float = 0.0) -> bool:
        """True once the lock is held; False if others still hold it after `timeout_s`."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + timeout_s
        while not _lock(descriptor, shared):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return False
            time.sleep(_PAUSE_S)
        self._descriptor = descriptor
        return True

    def fileno(self) -> int:
        """To hand the lock on to a child, which then holds it as long as it lives."""
        assert self._descriptor is not None
        return self._descriptor

    def release(self) -> None:
        """Ends this process's part. Closes instead of unlocking: a child may hold it on."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether any process holds the lock on `path`."""
    if not path.exists():
        return False
    lock = FileLock(path)
    free = lock.acquire()
    lock.release()
    return not free


def sharers(path: Path) -> list[int]:
    """The pids of those who share the lock on `path`, as far as the system tells.

    Linux does, of this user's processes; elsewhere the list is empty.
    """
    try:
        inode = str(path.stat().st_ino)
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    # 7: FLOCK  ADVISORY  READ 4711 fd:01:131091 0 EOF
    rows = [line.split() for line in locks]
    pids = {
        int(row[4])
        for row in rows
        if len(row) >= 6 and row[1::2][:2] == ["FLOCK", "READ"] and row[5].split(":")[-1] == inode
    }
    return sorted(pid for pid in pids if _has_open(pid, path))


def _has_open(pid: int, path: Path) -> bool:
    """Files of two devices may have one inode number: the process must have this very one."""
    with suppress(OSError):  # it has ended, or is another user's
        for opened in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if opened.samefile(path):
                    return True
    return False


def _lock(descriptor: int, shared: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
