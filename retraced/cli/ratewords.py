"""Which windows of a group's rates are worth a line, and what each is called."""

from __future__ import annotations

from collections.abc import Sequence

from retraced.durations import HOUR_MS, MINUTE_MS, format_ms
from retraced.store.reads.portrait import Portrait
from retraced.store.reads.rates import FLUSH_MS, Rate, Rates

_SHORT = 0.75  # of a window; less is called by how long it was


def windows(found: Rates) -> Sequence[tuple[str, Rate]]:
    """(name, rate) of the windows that tell something new; a young group has one or two."""
    named = (
        ("1 min", MINUTE_MS, found.minute),
        ("5 min", 5 * MINUTE_MS, found.five),
        ("1 h", HOUR_MS, found.hour),
    )
    rows: list[tuple[str, Rate]] = []
    for name, window_ms, rate in named:
        if rate is None or (rows and rate.over_ms <= rows[-1][1].over_ms):
            continue
        short = rate.over_ms < _SHORT * window_ms
        rows.append((_named(rate) if short else name, rate))
    return rows


def heading(rows: Sequence[tuple[str, Rate]]) -> str:
    """`a minute`; in a group that is younger than that they are counts."""
    return "counted" if rows and all(rate.is_count for _, rate in rows) else "a minute"


def no_times(found: Portrait) -> str:
    """Why no job's times are known."""
    if _ran_lately(found):
        return f"jobs have run; workers tell their times every {format_ms(FLUSH_MS)}"
    return "no job has run in the last hour"


def _ran_lately(found: Portrait) -> bool:
    """Whether an attempt has ended in the last hour, as far as counters tell."""
    hour, created_ms = found.rates.hour, found.group.state.created_at_ms or 0
    if hour is None or found.group.now_ms - created_ms < HOUR_MS:
        return any(found.rates.totals.get(name) for name in ("completed", "failed", "dead"))
    return bool(hour.completed or hour.failed or hour.dead)


def _named(rate: Rate) -> str:
    """By how long it was: `in 3s` of counts, `over 40s` of a rate."""
    return f"{'in' if rate.is_count else 'over'} {format_ms(max(rate.over_ms // 1000, 1) * 1000)}"
