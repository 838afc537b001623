"""Whether processes that a test has caused still run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def gone(pid: int) -> Callable[[], bool]:
    """A condition: the process has ended, though it may wait as a zombie to be reaped."""

    def condition() -> bool:
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (ProcessLookupError, FileNotFoundError):
            return True
        return state == "Z"

    return condition
