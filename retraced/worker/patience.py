"""How long to wait before Redis is asked again: exponential with full jitter."""

from __future__ import annotations

import asyncio
from random import uniform


class Patience:
    """Backoff between tries of one thing; `reset` once it has worked."""

    def __init__(self, *, first_s: float = 0.1, most_s: float = 3.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._tries = 0

    def next_s(self) -> float:
        """The next wait in seconds, between half and all of a limit that doubles."""
        limit = min(self._most_s, self._first_s * 2.0**self._tries)
        self._tries = min(self._tries + 1, 16)
        return uniform(limit / 2, limit)

    async def wait(self) -> None:
        await asyncio.sleep(self.next_s())

    def reset(self) -> None:
        self._tries = 0
