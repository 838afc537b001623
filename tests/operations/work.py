"""Incidents of workers and handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.operations.incident import GROUP, STREAM, Incident
from tests.operations.shop import BROKEN
from tests.waiting import wait_until
from tests.workers import Consumer


class Quiet(Incident):
    """Nothing is wrong."""

    def happen(self) -> None:
        self.work()
        self.add(2)
        wait_until(lambda: not any(self.counts().values()), 10, "both are done")


class Late(Incident):
    """More work than slots; and the group is paused."""

    def happen(self) -> None:
        self.work("--concurrency", "1")
        self.add(30, first=101, ms="300")
        wait_until(lambda: self.counts()["held"] == 1, 10, "the first job runs")
        self.run("pause", STREAM, "--group", GROUP, "--reason", "the bank is down")

    @property
    def hands(self) -> Mapping[str, Callable[[], object]]:
        return {"start more workers": lambda: self.work("--concurrency", "20")}

    def over(self) -> None:
        assert self.counts()["dead"] == 3  # 110, 120 and 130 are declined


class Twice(Incident):
    """A worker dies with a job in its hands."""

    def happen(self) -> None:
        for _ in range(2):
            self.work("--concurrency", "1")
        self.add(1, ms="9000")
        wait_until(lambda: self.counts()["held"] == 1, 10, "the job runs")
        self.holder().kill()

    def over(self) -> None:
        assert self.counts()["dead"] == 0


class Stuck(Incident):
    """A handler keeps its worker's event loop waiting; another worker has nothing to do."""

    def happen(self) -> None:
        for _ in range(2):
            self.work("--concurrency", "1", "--visibility-timeout", "6s")
        self.raw.xadd(STREAM, {"type": "block", "s": "600"})
        wait_until(lambda: self.counts()["held"] == 1, 10, "the job runs")

    def over(self) -> None:
        assert not any(self.counts().values())


class Poison(Incident):
    """A job kills whoever runs it; five others are innocent."""

    def happen(self) -> None:
        for _ in range(3):
            self.work()
        self.add(5, ms="200")
        self.raw.xadd(STREAM, {"type": "pdf"})

    def over(self) -> None:
        assert not any(self.counts().values())
        assert sum(member.process.poll() is None for member in self.crew.members) >= 1


class BadDeploy(Incident):
    """Release v42 buries 400 jobs, among 44 that die of their own fault."""

    bad: Consumer

    def happen(self) -> None:
        self.bad = self.work(release=BROKEN)
        self.add(444)
        wait_until(lambda: self.counts()["dead"] == 444, 20, "all are dead")

    @property
    def hands(self) -> Mapping[str, Callable[[], object]]:
        return {"roll back, or deploy the mended release": self._deploy}

    def _deploy(self) -> None:
        self.bad.stop()
        self.work(release="v43")


class UnknownType(Incident):
    """Producers know a type that no worker has."""

    old: Consumer

    def happen(self) -> None:
        self.old = self.work(release=BROKEN)
        for order in ("1", "2", "3"):
            self.raw.xadd(STREAM, {"type": "refund", "order": order})
        wait_until(lambda: self.counts()["delayed"] == 3, 10, "they wait")

    @property
    def hands(self) -> Mapping[str, Callable[[], object]]:
        return {"deploy a worker that has the handler": self._deploy}

    def _deploy(self) -> None:
        self.old.stop()
        self.work(release="v43")


class Flood(Incident):
    """Hundreds of jobs of one tenant stand before those of the others."""

    def happen(self) -> None:
        self.work("--concurrency", "2")
        self.add(300, tenant="globex", ms="2000")
        self.add(4, tenant="acme")

    def over(self) -> None:
        kept = (self.place / "globex.jsonl").read_text().splitlines()
        assert 200 < len(kept) < 300
