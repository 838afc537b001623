"""Judges latency, slow commands and clocks. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from retraced.cli.doctor.finding import Finding, cli, ok, problem, warning
from retraced.durations import format_ms

if TYPE_CHECKING:
    from retraced.store.reads.health.server import Latency, SlowCommand

SLOW_MS, STUCK_MS = 20.0, 500.0
SKEW_MS, LARGE_SKEW_MS = 1_000.0, 60_000.0
HOUR_MS = 3_600_000
LONG_STALL_MS = 100.0


def latency(facts: Latency) -> list[Finding]:
    """Round trips from here."""
    trips = [round(each, 2) for each in facts.round_trips_ms]
    median, longest = facts.median_ms, max(facts.round_trips_ms)
    told = f"{len(trips)} round trips: {median:.1f} ms in the middle, {longest:.1f} ms at most"
    if median < SLOW_MS and longest < STUCK_MS:
        return [ok("latency", told, round_trips_ms=trips)]
    level = problem if median >= STUCK_MS else warning
    return [
        level(
            "latency",
            told,
            "Look for slow commands, a busy host, a far network, or a server that swaps.",
            cli("--latency-history"),
            cli("LATENCY", "DOCTOR"),
            round_trips_ms=trips,
        )
    ]


def clock(facts: Latency) -> list[Finding]:
    """Redis's clock against this host's."""
    skew = facts.skew_ms
    told = {"skew_ms": round(skew), "within_ms": round(facts.skew_within_ms, 1)}
    if abs(skew) < SKEW_MS + facts.skew_within_ms:
        return [ok("clock", f"Redis and this host agree within {abs(skew):.0f} ms", **told)]
    ahead = "ahead of" if skew > 0 else "behind"
    level = problem if abs(skew) >= LARGE_SKEW_MS else warning
    return [
        level(
            "clock",
            f"Redis's clock is {format_ms(round(abs(skew)))} {ahead} this host's: "
            "run_at and other times that producers here write are off by as much (delays "
            "and leases aren't)",
            "Let both hosts keep time by NTP.",
            **told,
        )
    ]


def slow(entries: Sequence[SlowCommand], now_ms: int) -> list[Finding]:
    """SLOWLOG of the last hour: commands of ReTraced, and those that held everybody up."""
    recent = [each for each in entries if now_ms - each.at_ms < HOUR_MS]
    worst = max(recent, key=lambda each: each.took_ms, default=None)
    mine = [each for each in recent if each.ours]
    facts = {
        "ours": [_slow_data(each) for each in mine[:10]],
        "others": [_slow_data(each) for each in recent if not each.ours][:10],
    }
    if worst is None:
        return [ok("slow", "no slow commands in the last hour", **facts)]
    count = f"{len(mine)} of {len(recent)}"
    told = f"in the last hour {count} slow commands were ReTraced's; the slowest: {_named(worst)}"
    if worst.took_ms < LONG_STALL_MS:
        return [ok("slow", told, **facts)]
    advice = (
        "Smaller payloads make its calls shorter."
        if worst.ours
        else "Everything waits while a command runs: find who sends it."
    )
    return [warning("slow", told, advice, cli("SLOWLOG", "GET", "10"), **facts)]


def _named(slow: SlowCommand) -> str:
    name = f"the script {slow.script}" if slow.script else slow.command
    return f"{name}, {slow.took_ms:.0f} ms"


def _slow_data(slow: SlowCommand) -> dict[str, object]:
    return {
        "command": slow.command,
        "script": slow.script,
        "took_ms": slow.took_ms,
        "at_ms": slow.at_ms,
    }
