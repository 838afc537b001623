"""How long to wait after a failed attempt: `[immediate:N,]KIND:BASE[..MAX][xFACTOR][~JITTER%]`.

A value parsed from an entry's field, a handler's option, a group's fact or a worker's flag.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from retraced.durations import TEN_YEARS_MS, parse_duration_ms, parse_integer, spell_ms
from retraced.errors import InvalidEntry, quoted

MOST_IMMEDIATE = 1000
MOST_FACTOR = 1000.0
DEFAULT_FACTOR = 2.0
DEFAULT_JITTER_PERCENT = 20.0

_SPEC = re.compile(
    r"(?:immediate:(?P<immediate>[0-9]+),)?"
    r"(?P<kind>fixed|linear|exponential):(?P<base>[0-9]+(?:ms|s|m|h|d)?)"
    r"(?:\.\.(?P<max>[0-9]+(?:ms|s|m|h|d)?))?"
    r"(?:x(?P<factor>[0-9]{1,9}(?:\.[0-9]{1,9})?))?"
    r"(?:~(?P<jitter>[0-9]{1,9}(?:\.[0-9]{1,9})?)%)?"
)
_REMEDY = "write it as exponential:1s..5m, fixed:30s or immediate:2,linear:1s..1mx2~20%"


class Kind(StrEnum):
    """How the delays of a series grow."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True)
class Backoff:
    """A series of delays: the first `immediate` are 0, then the kind's series begins at `base_ms`.

    The second delay of a series is `factor` times the first: exponential goes on multiplying,
    linear goes on adding the same difference, fixed knows no factor. `max_ms` cuts the delay
    before the jitter is applied, which then moves it by up to `jitter_percent` either way.
    """

    kind: Kind
    base_ms: int
    max_ms: int | None = None
    factor: float = DEFAULT_FACTOR
    jitter_percent: float = DEFAULT_JITTER_PERCENT
    immediate: int = 0

    @classmethod
    def parse(cls, spec: str, *, field: str = "backoff") -> Backoff:
        """Reads the grammar above; InvalidEntry names `field`, what was found and the remedy."""
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise InvalidEntry(field, f"{quoted(spec)} isn't a backoff; {_REMEDY}")
        maximum, factor, jitter = match["max"], match["factor"], match["jitter"]
        parsed = cls(
            kind=Kind(match["kind"]),
            base_ms=parse_duration_ms(match["base"], field=field),
            max_ms=None if maximum is None else parse_duration_ms(maximum, field=field),
            factor=DEFAULT_FACTOR if factor is None else float(factor),
            jitter_percent=DEFAULT_JITTER_PERCENT if jitter is None else float(jitter),
            immediate=parse_integer(match["immediate"] or "0") or 0,
        )
        why = parsed._out_of_range()
        if why:
            raise InvalidEntry(field, f"{quoted(spec)}: {why}; {_REMEDY}")
        return parsed

    def delay_ms(self, failed: int, random: Callable[[], float]) -> int:
        """Milliseconds to wait when `failed` attempts (1 or more) have failed so far.

        `random` answers numbers in [0, 1); the delay is uniform over the jitter's width.
        """
        step = failed - self.immediate - 1
        if step < 0:
            return 0
        plain = min(self._series_ms(step), self.max_ms or TEN_YEARS_MS, TEN_YEARS_MS)
        width = plain * self.jitter_percent / 100
        return min(round(plain - width + 2 * width * random()), TEN_YEARS_MS)

    def __str__(self) -> str:
        """The shortest spec that `parse` reads back as an equal value."""
        tier = f"immediate:{self.immediate}," if self.immediate else ""
        limit = "" if self.max_ms is None else f"..{spell_ms(self.max_ms)}"
        factor = "" if self.factor == DEFAULT_FACTOR else f"x{_spell(self.factor)}"
        jitter = self.jitter_percent
        spread = "" if jitter == DEFAULT_JITTER_PERCENT else f"~{_spell(jitter)}%"
        return f"{tier}{self.kind}:{spell_ms(self.base_ms)}{limit}{factor}{spread}"

    def _series_ms(self, step: int) -> float:
        if self.kind is Kind.FIXED:
            return self.base_ms
        if self.kind is Kind.LINEAR:
            return self.base_ms * (1 + step * (self.factor - 1))
        try:
            return self.base_ms * self.factor**step
        except OverflowError:
            return TEN_YEARS_MS

    def _out_of_range(self) -> str:
        if self.max_ms is not None and self.max_ms < self.base_ms:
            return "the maximum is below the base"
        if not 1 <= self.factor <= MOST_FACTOR:
            return f"the factor must be 1 to {MOST_FACTOR:.0f}"
        if self.jitter_percent > 100:
            return "the jitter must be 0 to 100 percent"
        if self.immediate > MOST_IMMEDIATE:
            return f"at most {MOST_IMMEDIATE} immediate retries"
        return ""


def _spell(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")
