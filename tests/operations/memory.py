"""Incidents of what lies in Redis."""

from __future__ import annotations

from tests.operations.incident import GROUP, STREAM, Incident
from tests.waiting import wait_until


class Growing(Incident):
    """Dead letters pile up, each with a large payload."""

    def happen(self) -> None:
        self.work()
        self.add_large(60)

    def add_large(self, count: int) -> None:
        """Jobs of five weeks ago that are declined and buried, of 20 kB each."""
        added_ms = int(self.raw.time()[0]) * 1_000 - 35 * 86_400_000
        payload = '{"order": 10, "tenant": "' + "x" * 20_000 + '"}'
        for number in range(count):
            job = f"{added_ms + number}-0"
            self.raw.xadd(STREAM, {"type": "charge", "payload": payload}, id=job)
        wait_until(lambda: self.counts()["dead"] == count, 20, "all are dead")


class Pinned(Incident):
    """A group that nobody works any more keeps what the other has settled."""

    def happen(self) -> None:
        self.run("groups", "create", STREAM, "--group", "audit")
        self.work()
        self.add(9)
        wait_until(lambda: not any(self.counts(GROUP).values()), 10, "billing has settled all")

    def over(self) -> None:
        assert self.raw.xlen(STREAM) == 0


class Full(Growing):
    """Redis has no room left, most of it taken by dead letters and events."""

    def happen(self) -> None:
        self.work()
        self.add_large(60)
        events = f"retraced:{{{STREAM}}}:{GROUP}:events"
        pipeline = self.raw.pipeline(transaction=False)
        for _ in range(2_000):
            pipeline.xadd(events, {"event": "completed", "at": "0", "jobs": "x" * 1_000})
        pipeline.execute()
        self.raw.config_set("maxmemory", self.raw.info("memory")["used_memory"] - 500_000)
