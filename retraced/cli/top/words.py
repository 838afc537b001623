"""Numbers and durations in few columns."""

from __future__ import annotations

from retraced.durations import format_ms
from retraced.store.reads.backlog import Count


def short(count: int) -> str:
    """`99,999`, `100k`, `12.5M`."""
    if count < 100_000:
        return f"{count:,}"
    if count < 10_000_000:
        return f"{count // 1000:,}k"
    return f"{count / 1_000_000:.1f}M"


def counted(count: Count) -> str:
    """With a ~ where it is an estimate."""
    return short(count.value) if count.exact else "~" + short(count.value)


def per_second(rate: float | None) -> str:
    """Events a second; `-` while nothing is known."""
    if rate is None:
        return "-"
    return f"{rate:.1f}" if 0 < rate < 10 else short(round(rate))


def span(ms: int | None) -> str:
    """A duration in whole seconds, so that it rarely changes; `-` for None."""
    if ms is None:
        return "-"
    return "<1s" if ms < 1000 else format_ms(ms // 1000 * 1000)
