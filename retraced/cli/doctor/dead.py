"""Judges deaths: many in the last minutes, and a heap of dead letters. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraced.cli.doctor.finding import Finding, ok, ours, problem, warning
from retraced.durations import MINUTE_MS, format_ms

if TYPE_CHECKING:
    from retraced.store.reads.health.group import Standing
    from retraced.store.reads.rates import Rates

MANY_DEAD = 10_000
MANY_DEATHS = 10  # in the last minutes; fewer are no news
LARGE_SHARE, MOST = 0.2, 0.5  # of the jobs that ended
_WINDOW_MS = 5 * MINUTE_MS


def dead(facts: Standing, *, stream: str, group: str) -> list[Finding]:
    """Dead letters have no cap unless one was set: a heap of them is told."""
    count = facts.counts.dead
    if count < MANY_DEAD:
        return [ok("dead", f"{count:,} dead letters", count=count)]
    return [
        warning(
            "dead",
            f"{count:,} dead letters are kept, until they are put back or purged",
            "See of what they died; put back those whose reason is gone, purge the rest.",
            ours("dlq", "list", stream, "--group", group, "--by", "error"),
            count=count,
        )
    ]


def deaths(facts: Standing, seen: Rates, *, stream: str, group: str) -> list[Finding]:
    """Whether many jobs died in the last minutes, as they do after a bad deploy."""
    died, ended, over_ms = _lately(facts, seen)
    data = {"died": died, "ended": ended, "over_ms": over_ms}
    share = died / ended if ended else 0.0
    if died < MANY_DEATHS or share < LARGE_SHARE:
        told = f"{died:,} of {ended:,} jobs died" if ended else "no job ended"
        return [ok("deaths", f"{told} in the last minutes", **data)]
    level = problem if share >= MOST else warning
    return [
        level(
            "deaths",
            f"{died:,} of the {ended:,} jobs that ended in the last {format_ms(over_ms)} died",
            "See of what. If a release is to blame, pause the group before more die, and put them "
            "back when it is mended.",
            ours("dlq", "list", stream, "--group", group, "--by", "error"),
            ours("pause", stream, "--group", group, "--reason", "jobs die"),
            **data,
        )
    ]


def _lately(facts: Standing, seen: Rates) -> tuple[int, int, int]:
    """How many jobs died and ended in the worst of the last windows, and how long it was."""
    created_ms = facts.state.created_at_ms or 0
    if facts.now_ms - created_ms < _WINDOW_MS:  # all that it ever counted
        died = seen.totals.get("dead", 0)
        return died, died + seen.totals.get("completed", 0), max(facts.now_ms - created_ms, 1)
    found = [
        (round(rate.counted("dead")), round(rate.counted("completed")), rate.over_ms)
        for rate in (seen.minute, seen.five)
        if rate is not None and rate.over_ms <= 2 * _WINDOW_MS
    ]
    died, done, over_ms = max(found, default=(0, 0, 0))
    return died, died + done, over_ms
