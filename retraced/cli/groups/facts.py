"""The facts of a group that a person may set: how they read, and when workers act on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from retraced.cli.words import size
from retraced.durations import format_ms

_JOBS = "for jobs that start from now on, within 1.5 s"
_LEASES = "for every lease, within 1.5 s"
_SWEEP = "at the workers' next sweep, within seconds"


@dataclass(frozen=True, slots=True)
class Fact:
    """One field of `P:state`. `unset`: what holds without it. `acts`: what a change does, when."""

    name: str
    label: str
    unset: str
    acts: str

    def spelled(self, value: str | None) -> str:
        """Its value for people."""
        if value is None or value == "":
            return self.unset
        if not value.isdigit():
            return value
        if self.name.endswith("_ms"):
            return format_ms(int(value))
        return size(int(value)) if self.name.endswith("_bytes") else f"{int(value):,}"


FACTS: Mapping[str, Fact] = {
    each.name: each
    for each in (
        Fact("visibility_ms", "visibility timeout", "30s", _LEASES),
        Fact("max_attempts", "attempts at most", "each worker's flag, else 5", _JOBS),
        Fact("backoff", "backoff", "each worker's flag, else exponential:1s..5m", _JOBS),
        Fact("timeout_ms", "timeout", "each worker's flag, else none", _JOBS),
        Fact("events_max", "events at most", "100,000", _SWEEP),
        Fact("events_bytes", "events in bytes", "64MiB", _SWEEP),
        Fact("events_age_ms", "events no older than", "any age", _SWEEP),
        Fact("finished_max", "records of ended jobs", "100,000", _SWEEP),
        Fact("finished_age_ms", "records no older than", "7d", _SWEEP),
        Fact("dlq_max", "dead letters at most", "any number", _SWEEP),
        Fact("dlq_age_ms", "dead letters no older", "any age", _SWEEP),
        Fact("dlq_bytes", "dead letters in bytes", "any size", _SWEEP),
    )
}
