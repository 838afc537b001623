"""Events a second, from the difference of counters between refreshes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

_WINDOW_MS = 10_000


@dataclass(frozen=True, slots=True)
class Pace:
    """Events a second over the last ten seconds; None while there is nothing to compare with."""

    completed: float | None = None
    failed: float | None = None


@dataclass(slots=True)
class Meter:
    """Remembers the counters of each group for ten seconds."""

    _samples: dict[bytes, deque[tuple[int, Mapping[str, int]]]] = field(default_factory=dict)

    def pace(self, group: bytes, now_ms: int, counters: Mapping[str, int]) -> Pace:
        """Notes the counters at a Redis time, and gives the pace since the oldest kept ones."""
        samples = self._samples.setdefault(group, deque())
        if samples and (now_ms < samples[-1][0] or _fell(samples[-1][1], counters)):
            samples.clear()  # another server answers, or the group was made anew
        samples.append((now_ms, counters))
        while len(samples) > 2 and now_ms - samples[1][0] >= _WINDOW_MS:
            samples.popleft()
        since_ms, before = samples[0]
        if now_ms <= since_ms:
            return Pace()
        seconds = (now_ms - since_ms) / 1000
        return Pace(
            completed=(counters["completed"] - before["completed"]) / seconds,
            failed=(_failures(counters) - _failures(before)) / seconds,
        )


def _failures(counters: Mapping[str, int]) -> int:
    """Attempts that failed: those that are tried again, and those that ended in the grave."""
    return counters["failed"] + counters["dead"]


def _fell(before: Mapping[str, int], now: Mapping[str, int]) -> bool:
    return any(now[name] < before[name] for name in before)
