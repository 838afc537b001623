"""`--pause-on-failure`: says when so many attempts have failed that the group had better pause.

After a bad deploy every job fails, and each of its attempts counts: better that they wait.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from dataclasses import dataclass

from retraced.errors import UsageError
from retraced.fingerprint import template

_SPEC = re.compile(r"([0-9]{1,3})\s?%?/([0-9]{1,6})", re.ASCII)
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """Pause when at least `percent` of the last `attempts` failed."""

    percent: int
    attempts: int

    @classmethod
    def parse(cls, text: str) -> FailureLimit:
        """`90%/100` as it is written on the command line. Raises UsageError."""
        found = _SPEC.fullmatch(text.strip())
        percent, attempts = (int(found[1]), int(found[2])) if found else (0, 0)
        if not (1 <= percent <= 100 and 1 <= attempts <= 100_000):
            raise UsageError(
                f"{text!r} is no share of attempts: write PERCENT/N, as 90%/100 for nine of ten "
                "of the last hundred"
            )
        return cls(percent, attempts)


class Brake:
    """The last finished attempts of one subscription. `pulled` is set when too many failed."""

    def __init__(self, limit: FailureLimit) -> None:
        self._limit = limit
        self._last: deque[str | None] = deque()
        self._failed = 0
        self.pulled = asyncio.Event()

    def succeeded(self, attempts: int = 1) -> None:
        """So many attempts ended well."""
        for _ in range(min(attempts, self._limit.attempts)):
            self._add(None)
        self._look()

    def failed(self, error: str) -> None:
        """One attempt failed."""
        self._failed += 1
        self._add(error.strip().partition("\n")[0][:_LONGEST_ERROR])
        self._look()

    def release(self) -> None:
        """Counts from the beginning."""
        self._last.clear()
        self._failed = 0
        self.pulled.clear()

    def why(self) -> str:
        """The figures and the most frequent error, as people are to read them."""
        errors = [error for error in self._last if error is not None]
        if not errors:
            return ""
        share = 100 * len(errors) // len(self._last)
        kind, times = Counter(map(template, errors)).most_common(1)[0]
        example = next(error for error in reversed(errors) if template(error) == kind)
        return (
            f"{len(errors)} of this worker's last {len(self._last)} attempts failed ({share}%); "
            f"most often, {times} times: {example}"
        )

    def _add(self, error: str | None) -> None:
        if len(self._last) == self._limit.attempts and self._last.popleft() is not None:
            self._failed -= 1
        self._last.append(error)

    def _look(self) -> None:
        full = len(self._last) == self._limit.attempts
        if full and self._failed * 100 >= self._limit.percent * self._limit.attempts:
            self.pulled.set()
