"""The two lines above the rows, and the line of tabs."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from retraced.cli.listing import moment, shortened
from retraced.cli.output import printable
from retraced.cli.top.data import MOST_GROUPS, Snapshot, View
from retraced.cli.top.refresh import Condition, Health
from retraced.cli.top.words import counted, per_second, short, span
from retraced.store.reads.backlog import Count

PATIENCE_S = 1.5

_NAMES = {
    View.GROUPS: "Groups",
    View.HELD: "Held",
    View.WORKERS: "Workers",
    View.DEAD: "Dead",
}


def condition_line(
    url: str, condition: Condition, snapshot: Snapshot | None, *, waiting_s: float, width: int
) -> str:
    """Which server, as of when, and how the reading goes; `waiting_s`: no answer for so long."""
    at = f"{moment(snapshot.now_ms):%H:%M:%S} UTC" if snapshot else "never"
    if condition.health is Health.AWAY:
        away = span(int((monotonic() - condition.since) * 1000))
        every = _seconds(condition.pause_s)
        return shortened(f"REDIS AWAY for {away}, trying every {every}; last seen {at}", width)
    said = _said(condition)
    if waiting_s > PATIENCE_S:
        said = f"NO ANSWER for {waiting_s:.0f}s"
    right = f"{said}  {at}" if snapshot else said
    left = f"retraced top  {printable(url)}"
    return f"{shortened(left, max(width - len(right) - 2, 12))}  {right}"


def totals_line(snapshot: Snapshot) -> str:
    """All groups together."""
    groups = [group for group in snapshot.groups if not group.trouble]
    exact = all(group.backlog.exact for group in groups)
    backlog = Count(sum(group.backlog.value for group in groups), exact=exact)
    paces = [snapshot.paces[group.keys.prefix] for group in groups]
    said = [
        f"backlog {counted(backlog)}",
        f"held {short(sum(group.counts.held for group in groups))}",
        f"delayed {short(sum(group.counts.delayed for group in groups))}",
        f"dead {short(sum(group.counts.dead for group in groups))}",
        f"done {per_second(_total([pace.completed for pace in paces]))}/s",
        f"failed {per_second(_total([pace.failed for pace in paces]))}/s",
    ]
    if snapshot.left_out:
        said.append(f"{MOST_GROUPS} of {MOST_GROUPS + snapshot.left_out} groups: use --stream")
    return "  ".join(said)


def tabs_line(snapshot: Snapshot | None, view: View) -> str:
    """The views with how many rows each has; the present one in brackets."""
    groups = snapshot.groups if snapshot else ()
    counts = {
        View.GROUPS: len(groups),
        View.HELD: sum(group.counts.held for group in groups),
        View.WORKERS: sum(group.workers for group in groups),
        View.DEAD: sum(group.counts.dead for group in groups),
    }
    parts = []
    for each in View:
        name = f"{each.value} {_NAMES[each]} {short(counts[each])}"
        parts.append(f"[{name}]" if each is view else f" {name} ")
    if paused := sum(group.pause is not None for group in groups):
        parts.append(f"  PAUSED {paused}")
    return " ".join(parts)


def _said(condition: Condition) -> str:
    match condition.health:
        case Health.STARTING:
            return "connecting"
        case Health.LIVE:
            return f"live, every {_seconds(condition.pause_s)}"
        case Health.SLOW:
            took, pause = _seconds(condition.took_s), _seconds(condition.pause_s)
            return f"SLOW: took {took}, so every {pause}"
        case Health.AWAY:
            return "REDIS AWAY"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}".removesuffix(".0") + "s"


def _total(rates: Sequence[float | None]) -> float | None:
    known = [rate for rate in rates if rate is not None]
    return sum(known) if known else None
