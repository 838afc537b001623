"""How many jobs to prefetch: many while they are short, none while they are long or unknown."""

from __future__ import annotations

MOST_WAIT_MS = 20.0
WEIGHT = 0.05


class Pace:
    """The run times of late. What is prefetched should wait about 20 ms for a slot, no longer."""

    __slots__ = ("_concurrency", "_most", "_run_ms")

    def __init__(self, *, concurrency: int, most: int) -> None:
        self._concurrency = concurrency
        self._most = most
        self._run_ms = float("inf")

    def ran(self, run_ms: int) -> None:
        """A job has ended after so long."""
        if self._run_ms == float("inf"):
            self._run_ms = float(run_ms)
        else:
            self._run_ms += WEIGHT * (run_ms - self._run_ms)

    def ahead(self) -> int:
        """How many jobs to hold beyond the free slots."""
        if self._run_ms * self._most <= MOST_WAIT_MS * self._concurrency:
            return self._most
        return int(MOST_WAIT_MS * self._concurrency / self._run_ms)
