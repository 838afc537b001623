"""A terminal in place of standard error, and what is shown on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, suppress

from tests.waiting import wait_until


@contextmanager
def terminal() -> Iterator[int]:
    """The other end of a terminal that is standard error meanwhile."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w", buffering=1) as screen, redirect_stderr(screen):
        yield ours
    os.close(ours)


def shows(screen: int, text: str, *, without: str = "\0") -> bool:
    """Whether the text comes (a terminal hands it on a little late), and the other one doesn't."""
    seen = ""

    def read() -> bool:
        nonlocal seen
        with suppress(BlockingIOError):
            seen += os.read(screen, 65536).decode()
        return text in seen

    wait_until(read, 5, f"{text!r} on the terminal")
    return without not in seen
