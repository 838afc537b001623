"""The state machine's first half: what producers and workers do."""

from __future__ import annotations

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from retraced.outcome import Outcome
from retraced.retention import Retention
from retraced.store.blocking import BlockingLink
from retraced.store.writes import Answer, Author
from tests.properties.model.drawn import (
    GROUPS,
    HOUR_MS,
    WORKERS,
    Fields,
    entries,
    groups,
    manners,
    outcomes,
    picks,
    workers,
)
from tests.properties.model.hands import PAGE, VISIBILITY_MS, Delivery, Manner, Worker
from tests.properties.model.job import Job, Place, by_id
from tests.properties.model.play import Play

LOST_CEILING = 4


class Working(RuleBasedStateMachine):
    """Jobs are added, fetched, settled, renewed, neglected, taken over and promoted."""

    link: ClassVar[BlockingLink]
    stream: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(self.link, self.stream, GROUPS)
        self.workers = [Worker(number) for number in range(WORKERS)]

    def jobs(self, group: str, *places: Place) -> list[Job]:
        """The group's jobs, in these places or everywhere."""
        jobs = self.play.group(group).jobs.values()
        return sorted(
            (job for job in jobs if not places or job.place in places),
            key=lambda job: by_id(job.id),
        )

    def anywhere(self, *places: Place) -> bool:
        return any(self.jobs(group, *places) for group in GROUPS)

    @initialize(first=st.lists(entries, min_size=1, max_size=4), retains=st.booleans())
    def begin(self, first: list[Fields], retains: bool) -> None:
        self.play.retain(Retention.parse("all") if retains else None)
        self.add(first)

    @rule(given=st.lists(entries, min_size=1, max_size=2))
    def add(self, given: list[Fields]) -> None:
        for fields in given:
            self.play.add([part for pair in fields for part in pair])

    @rule(group=groups, worker=workers, count=st.integers(1, 3), lost=st.integers(0, 7))
    def fetch(self, group: str, worker: int, count: int, lost: int) -> None:
        self.play.fetch(group, self.workers[worker], count, lost=lost == 7)

    @rule(
        group=groups,
        worker=workers,
        count=st.integers(1, 3),
        runs=st.lists(outcomes, min_size=1, max_size=4),
        manner=manners,
    )
    def work(
        self, group: str, worker: int, count: int, runs: list[Outcome], manner: Manner
    ) -> None:
        """Fetches and settles a few times; with a backoff of 0 it gets the same jobs again."""
        for outcome in runs:
            self.play.fetch(group, self.workers[worker], count, lost=False)
            self.settle_hand(group, self.workers[worker], outcome, manner)
            self.play.check()

    def settle_hand(self, group: str, worker: Worker, outcome: Outcome, manner: Manner) -> None:
        hand = worker.holding(group)
        settled = self.play.settle(group, worker.author, hand, outcome, manner)
        worker.hand[group] = [each for each in hand if each not in settled]

    @precondition(lambda self: any(any(each.hand.values()) for each in self.workers))
    @rule(pick=picks, more=st.lists(picks, max_size=2), outcome=outcomes, manner=manners)
    def settle(self, pick: int, more: list[int], outcome: Outcome, manner: Manner) -> None:
        hands = [(g, w) for g in GROUPS for w in self.workers if w.hand.get(g)]
        group, worker = hands[pick % len(hands)]
        hand = worker.hand[group]
        chosen = {(pick + each) % len(hand) for each in [0, *more]}
        deliveries = [hand[place] for place in sorted(chosen)]
        settled = self.play.settle(group, worker.author, deliveries, outcome, manner)
        worker.hand[group] = [each for each in hand if each not in settled]

    @precondition(lambda self: self.zombies())
    @rule(pick=picks, outcome=outcomes, manner=manners)
    def settle_what_others_own(self, pick: int, outcome: Outcome, manner: Manner) -> None:
        """A worker was slow, others took over, and it goes on as if nothing had been."""
        group, author, delivery = self.zombies()[pick % len(self.zombies())]
        self.play.settle(group, author, [delivery], outcome, manner)

    def zombies(self) -> list[tuple[str, Author, Delivery]]:
        hands = [
            (group, worker.author, each)
            for group in GROUPS
            for worker in self.workers
            for each in worker.holding(group)
        ]
        past = [(group, *each) for group in GROUPS for each in self.play.past[group]]
        return [
            (group, author, each)
            for group, author, each in hands + past
            if self.play.group(group).verdict(author.consumer, each.held) is Answer.STALE
        ]

    @precondition(lambda self: any(self.play.past.values()))
    @rule(pick=picks, outcome=outcomes, manner=manners)
    def settle_again(self, pick: int, outcome: Outcome, manner: Manner) -> None:
        """What was settled before, or what a worker held that was given up for dead."""
        past = [(group, *each) for group in GROUPS for each in self.play.past[group]]
        group, author, delivery = past[pick % len(past)]
        self.play.settle(group, author, [delivery], outcome, manner)

    @rule(worker=workers)
    def renew(self, worker: int) -> None:
        for group in GROUPS:
            self.play.renew(group, self.workers[worker])

    @precondition(lambda self: self.anywhere(Place.HELD))
    @rule(worker=workers)
    def stall(self, worker: int) -> None:
        """It stops renewing, and will go on later as if nothing had been."""
        consumer = self.workers[worker].consumer
        for group in GROUPS:
            self.play.silence(group, lambda job: job.owner == consumer)

    @precondition(lambda self: self.anywhere(Place.HELD))
    @rule(worker=workers)
    def crash(self, worker: int) -> None:
        """It is gone and a new one comes; perhaps it only looked dead, and settles something."""
        self.stall(worker)
        gone = self.workers[worker]
        for group, hand in gone.hand.items():
            self.play.past[group] += [(gone.author, each) for each in hand]
        self.workers[worker] = Worker(gone.number, gone.life + 1)

    @precondition(lambda self: any(self.silent(group) for group in GROUPS))
    @rule(
        group=groups,
        worker=workers,
        free=st.integers(0, 4),
        suspects=st.integers(0, 2),
        lost=st.booleans(),
        page=st.sampled_from([PAGE, 2]),
    )
    def reclaim(
        self, group: str, worker: int, free: int, suspects: int, lost: bool, page: int
    ) -> None:
        reply = self.play.reclaim(
            group,
            self.workers[worker],
            free=free,
            suspects=suspects,
            ceiling=LOST_CEILING,
            page=page,
            lost=lost,
        )
        if not reply.more and not self.silent(group):
            self.too_early(group, worker)

    @precondition(lambda self: self.anywhere(Place.HELD))
    @rule(
        worker=workers,
        page=st.sampled_from([PAGE, 1, 2]),
        silence=st.booleans(),
        rounds=st.integers(1, 3),
    )
    def reclaim_all(self, worker: int, page: int, silence: bool, rounds: int) -> None:
        """All silent deliveries, perhaps those of all workers, and perhaps there and back again."""
        for number in range(rounds):
            for group in GROUPS:
                if silence:
                    self.play.silence(group, lambda _: True)
                self.reclaim_group(group, self.workers[(worker + number % 2) % WORKERS], page)

    def reclaim_group(self, group: str, worker: Worker, page: int) -> None:
        """Page by page; the first pass may have begun in the middle."""
        for _ in range(2):
            self.play.reclaim_pages(group, worker, ceiling=LOST_CEILING, page=page)
        if not self.play.group(group).paused:
            known = {each.held[:2] for each in worker.hand[group]}
            left = [job for job in self.silent(group) if (job.source, job.entry) not in known]
            assert not left, f"overlooked: {left}"

    def silent(self, group: str) -> list[Job]:
        return [job for job in self.jobs(group, Place.HELD) if job.silent]

    def too_early(self, group: str, worker: int) -> None:
        call = self.play.reclaiming(group, self.workers[worker], 9, 9, LOST_CEILING)
        reply = self.link.run(call)
        assert reply.wait_ms > 0
        assert not reply.entries

    def hold_off(self, group: str, worker: int, tick: str) -> None:
        """Nobody ticked for a while, so nobody could renew: nothing is taken over."""
        keys, now = self.play.keys[group], self.play.hands.now_ms()
        self.play.hands.let_reclaim(keys)
        ticks = {"old": now - VISIBILITY_MS, "ahead": now + HOUR_MS, "fresh": now}
        if tick == "missing":
            self.link.call("HDEL", keys.state, "tick")
        else:
            self.link.call("HSET", keys.state, "tick", ticks[tick])
        if tick == "fresh":
            self.link.call("HSET", keys.state, "hold", now + VISIBILITY_MS // 2)
        elif worker == 0:  # a renewal comes first, and must not hide the gap
            self.play.renew(group, self.workers[worker])
        for _ in range(2):
            reply = self.link.run(
                self.play.reclaiming(group, self.workers[worker], 9, 9, LOST_CEILING)
            )
            assert 0 < reply.hold_ms <= VISIBILITY_MS
            assert not reply.entries

    @precondition(lambda self: self.anywhere(Place.DELAYED))
    @rule(
        due=st.lists(st.tuples(picks, st.integers(1, 3)), min_size=1, max_size=4),
        limit=st.sampled_from([50, 1, 2]),
        max_bytes=st.sampled_from([262_144, 1]),
        worker=workers,
        pick=picks,
    )
    def promote(
        self, due: list[tuple[int, int]], limit: int, max_bytes: int, worker: int, pick: int
    ) -> None:
        waiting = [group for group in GROUPS if self.jobs(group, Place.DELAYED)]
        group = waiting[pick % len(waiting)]
        jobs = self.jobs(group, Place.DELAYED)
        for place, due_ms in due:
            job = jobs[place % len(jobs)]
            self.play.hands.make_due(self.play.keys[group], job.id, due_ms)
            job.due = due_ms
        author = self.workers[worker].author
        self.play.promote(group, author, limit=limit, max_bytes=max_bytes)
