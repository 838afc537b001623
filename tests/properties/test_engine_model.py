"""The engine does what a small model does, whatever workers, producers and people do to it.

The real scripts run on a real server; after every step Redis must agree with the model, and at the
end everything drains. `RETRACED_MODEL_EXAMPLES=2000` runs so many examples, other ones each time,
and makes one that fails as short as can be.
"""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from retraced.errors import WrongType
from retraced.outcome import Outcome, Succeeded
from retraced.store import writes
from retraced.store.connection import Connector
from retraced.store.writes import Answer, Ruling, Source
from tests.properties.model.drawn import GROUPS, changes, groups, manners, outcomes, picks, workers
from tests.properties.model.hands import Delivery, Manner, Worker, decided
from tests.properties.model.job import OVER, Changes, Job, Place
from tests.properties.model.play import UNBOUNDED
from tests.properties.model.working import Working
from tests.servers import Server

EXAMPLES = int(os.environ.get("RETRACED_MODEL_EXAMPLES", "0"))

kinds = st.sampled_from(
    ["sweep"] * 4
    + ["hold off", "break a key", "remove", "pause", "claim"] * 2
    + ["leave", "lose", "disband"]
)


class Engine(Working):
    """And what people do: to jobs, to groups, to keys that aren't theirs."""

    @precondition(lambda self: self.anywhere())
    @rule(group=groups, pick=picks, place=st.sampled_from([*Place]), twice=st.booleans())
    def cancel(self, group: str, pick: int, place: Place, twice: bool) -> None:
        for job in self.some_job(group, place, pick) * (1 + twice):
            ruling = self.play.world.cancel(self.play.group(group), job)
            self.play.ask(group, writes.cancel(self.play.keys[group], job.id, by="ada"), ruling)

    @precondition(lambda self: self.anywhere(Place.DEAD))
    @rule(
        group=groups,
        pick=picks,
        place=st.just(Place.DEAD) | st.sampled_from([*Place]),
        act=st.sampled_from(["requeue", "requeue", "keep", "purge"]),
        edits=st.just({}) | changes,
    )
    def exhume(self, group: str, pick: int, place: Place, act: str, edits: Changes) -> None:
        """Puts a dead letter back, changed or not, or removes it."""
        for job in self.some_job(group, place, pick):
            if act == "purge":
                self.purge_one(group, job)
            else:
                self.requeue_one(group, job, keep=act == "keep", edits=edits)

    def requeue_one(
        self, group: str, job: Job, *, keep: bool = False, edits: Changes | None = None
    ) -> Ruling:
        changed = edits or {}
        ruling = self.play.world.requeue(
            self.play.group(group), job, keep_schedule=keep, changes=changed
        )
        call = writes.requeue(
            self.play.keys[group], job.id, by="ada", keep_schedule=keep, changes=changed
        )
        return self.play.ask(group, call, ruling)

    @precondition(lambda self: self.anywhere(Place.DELAYED))
    @rule(
        group=groups,
        pick=picks,
        place=st.just(Place.DELAYED) | st.sampled_from([*Place]),
        twice=st.booleans(),
    )
    def run_now(self, group: str, pick: int, place: Place, twice: bool) -> None:
        for job in self.some_job(group, place, pick) * (1 + twice):
            ruling = self.play.world.run_now(self.play.group(group), job)
            self.play.ask(group, writes.run_now(self.play.keys[group], job.id, by="ada"), ruling)

    @precondition(lambda self: self.play.world.retains and self.anywhere(*OVER))
    @rule(
        group=groups,
        pick=picks,
        place=st.sampled_from([Place.DONE] * 8 + [*Place]),
        twice=st.booleans(),
    )
    def replay(self, group: str, pick: int, place: Place, twice: bool) -> None:
        for job in self.some_job(group, place, pick) * (1 + twice):
            ruling = self.play.world.replay(self.play.group(group), job)
            self.play.ask(group, writes.replay(self.play.keys[group], job.id, by="ada"), ruling)

    def purge_one(self, group: str, job: Job) -> Ruling:
        ruling = self.play.world.purge(self.play.group(group), job)
        return self.play.ask(group, writes.purge(self.play.keys[group], job.id, by="ada"), ruling)

    def some_job(self, group: str, place: Place, pick: int) -> list[Job]:
        """One in that place if there is any, else any job; nothing if there is none."""
        jobs = self.jobs(group, place) or self.jobs(group)
        return [jobs[pick % len(jobs)]] if jobs else []

    @rule(kind=kinds, group=groups, worker=workers, pick=picks)
    def upset(self, kind: str, group: str, worker: int, pick: int) -> None:
        """What happens more rarely than all other things taken together."""
        match kind:
            case "sweep":
                self.play.sweep(group, prune=pick % 2 == 0)
            case "hold off":
                self.hold_off(group, worker, ("missing", "old", "ahead", "fresh")[pick % 4])
            case "break a key":
                self.promote_or_reclaim_with_a_broken_key(group, worker, pick)
            case "remove":
                self.remove(pick)
            case "pause":
                self.pause_or_resume(group)
            case "claim":
                self.claim_by_hand(group, pick)
            case "leave":
                self.leave(group, worker)
            case "lose":
                self.lose(group, sweep_first=pick % 2 == 0)
            case _:
                self.disband(group)

    def lose(self, group: str, *, sweep_first: bool) -> None:
        """Entries in `S` come again, from the checkpoint on."""
        if sweep_first:
            self.play.sweep(group, prune=False)
        if not self.play.world.tangled_by_losing(self.play.group(group)):
            self.play.lose(group)
            self.forget(group)

    def disband(self, group: str) -> None:
        # The record of one that comes again after `lose` would stay: nothing leads to it.
        if not any(job.record for job in self.jobs(group, Place.UNREAD)):
            self.play.disband(group)
            self.forget(group)

    def forget(self, group: str) -> None:
        """Counts start again with the group: what its workers knew would be taken for new."""
        self.play.past[group].clear()
        for worker in self.workers:
            worker.holding(group).clear()

    def remove(self, pick: int) -> None:
        """Someone deletes an entry from `S`, queued or held."""
        jobs = sorted(self.play.world.stream)
        if not jobs:
            return
        job = jobs[pick % len(jobs)]
        views = [self.play.group(group).jobs.get(job) for group in GROUPS]
        if not any(view and view.place is Place.UNREAD and view.record for view in views):
            self.link.call("XDEL", self.stream, job)
            self.play.world.remove(job)

    def claim_by_hand(self, group: str, pick: int) -> None:
        """Someone gives a delivery to another consumer; its count doesn't tell."""
        jobs = [job for job in self.jobs(group, Place.HELD) if not job.removed]
        if jobs:
            job, keys = jobs[pick % len(jobs)], self.play.keys[group]
            key = keys.stream if job.source is Source.STREAM else keys.ready
            self.link.call("XCLAIM", key, keys.group, "ops", 0, job.entry, "JUSTID")
            job.owner, job.silent = b"ops", False

    def pause_or_resume(self, group: str) -> None:
        keys, own = self.play.keys[group], self.play.group(group)
        call = writes.resume(keys, by="ada") if own.paused else writes.pause(keys, by="ada")
        self.play.ask(group, call, Ruling.OK)
        own.paused = not own.paused

    def leave(self, group: str, worker: int) -> None:
        """A consumer with nothing pending goes; one that holds jobs stays, and its jobs with it."""
        consumer = self.workers[worker].consumer
        holds = any(job.owner == consumer for job in self.jobs(group, Place.HELD))
        answer = self.link.run(writes.leave(self.play.keys[group], consumer))
        assert (answer.ruling is Ruling.REFUSED) == holds

    @precondition(lambda self: any(any(each.hand.values()) for each in self.workers))
    @rule(pick=picks, outcome=outcomes, manner=manners, broken=picks)
    def settle_with_a_broken_key(
        self, pick: int, outcome: Outcome, manner: Manner, broken: int
    ) -> None:
        """A key of another type is found before anything is written; for a record, one by one."""
        hands = [(g, w, d) for g in GROUPS for w in self.workers for d in w.hand.get(g, [])]
        group, worker, delivery = hands[pick % len(hands)]
        play, keys = self.play, self.play.keys[group]
        names = writes.held.group_keys(keys)
        record = keys.job(delivery.held.job)
        if not isinstance(outcome, Succeeded):
            names += [record] * len(names)
        batch = decided([delivery], outcome, manner, play.hands.now_ms())[0]
        name = names[broken % len(names)]
        with play.hands.broken(name):
            if name == record:
                verdict = play.group(group).verdict(worker.consumer, delivery.held)
                expected = Answer.WRONG if verdict is Answer.OK else verdict
                answers = play.hands.write(keys, worker.author, batch, manner.max_bytes)
                assert [answer for answer, _ in answers] == [expected]
                return
            with pytest.raises(WrongType):
                play.hands.write(keys, worker.author, batch, manner.max_bytes)

    def promote_or_reclaim_with_a_broken_key(self, group: str, worker: int, broken: int) -> None:
        play, keys = self.play, self.play.keys[group]
        names = writes.held.group_keys(keys)
        play.hands.let_reclaim(keys)
        with play.hands.broken(names[broken % len(names)]):
            with pytest.raises(WrongType):
                play.promote(group, self.workers[worker].author, limit=50, max_bytes=1)
            with pytest.raises(WrongType):
                self.link.run(play.reclaiming(group, self.workers[worker], 9, 9, 9))

    @invariant()
    def redis_agrees(self) -> None:
        self.play.check()
        for group in GROUPS:
            self.play.check_drained(group)

    def teardown(self) -> None:
        if sys.exc_info()[0] is None:
            self.drain()
        self.play.hands.clear(self.stream.encode())

    def drain(self) -> None:
        """Every job comes to its end, and nothing is left."""
        for group in GROUPS:
            last = Worker(9)
            if self.play.group(group).paused:
                self.pause_or_resume(group)
            self.drain_group(group, last)
            assert not self.jobs(group, *(set(Place) - OVER))
            assert self.link.run(writes.drained(self.play.keys[group])).empty
        self.play.retain(None)
        for group in GROUPS:
            self.play.sweep(group, prune=True)
            own = self.play.group(group)
            assert not any(job.record for job in own.jobs.values())
            assert not any(job.flagged for job in own.at(*(OVER - {Place.VANISHED})))
        assert not self.play.world.stream
        self.play.check()

    def drain_group(self, group: str, last: Worker) -> None:
        for job in self.jobs(group, Place.HELD):
            if job.removed:
                held = Delivery.of(job.source, job.entry, [], job.count)
                author = writes.Author(job.owner, b"r1")
                self.play.settle(group, author, [held], Succeeded(), Manner())
        self.play.silence(group, lambda _: True)
        for _ in range(2):
            self.play.reclaim_pages(group, last, ceiling=UNBOUNDED)
        for place, job in enumerate(self.jobs(group, Place.DEAD)):
            ruling = self.requeue_one(group, job) if place % 2 else self.purge_one(group, job)
            assert ruling is Ruling.OK
        for job in self.jobs(group, Place.DELAYED):
            self.play.hands.make_due(self.play.keys[group], job.id, 1)
            job.due = 1
        while self.play.promote(group, last.author, limit=50, max_bytes=262_144):
            pass
        while self.jobs(group, Place.UNREAD, Place.READY):
            self.play.check()
            self.play.fetch(group, last, 10, lost=False)
        self.play.settle(group, last.author, last.holding(group), Succeeded(), Manner())


@pytest.mark.slow
@pytest.mark.timeout(600 + EXAMPLES if EXAMPLES else 300)
def test_the_engine_agrees_with_its_model(server: Server, stream: str) -> None:
    link = Connector(server.url).open_blocking()
    options = settings(
        max_examples=EXAMPLES or 70,
        stateful_step_count=50,
        derandomize=not EXAMPLES,
        phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    class OnThisServer(Engine):
        pass

    OnThisServer.link, OnThisServer.stream = link, stream
    try:
        run_state_machine_as_test(OnThisServer, settings=options)
    finally:
        link.close()
