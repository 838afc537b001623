"""What a stream keeps of entries that every group has settled: `--retain 7d`, `100000` or `all`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retraced.durations import duration_ms
from retraced.errors import quoted

ALL = "all"
REMEDY = "write how long (7d, 12h), how many entries (100000), or all"
_COUNT = re.compile(r"[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class Retention:
    """`for_ms` or `entries` is what is kept at least; both None: everything.

    An entry's age is counted from the time in its id.
    """

    spec: str
    for_ms: int | None = None
    entries: int | None = None

    @classmethod
    def parse(cls, spec: str) -> Retention:
        """Reads a duration with a unit, a number of entries, or `all`; ValueError for others."""
        text = spec.strip().lower()
        if text == ALL:
            return cls(ALL)
        if _COUNT.fullmatch(text):
            return cls(text, entries=int(text))
        try:
            for_ms = duration_ms(text, name="retention")
        except ValueError:
            for_ms = 0
        if not for_ms:
            raise ValueError(f"{quoted(spec)} isn't what a stream can retain: {REMEDY}")
        return cls(text, for_ms=for_ms)
