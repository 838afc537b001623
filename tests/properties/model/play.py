"""One move at a time, made in Redis and in the model, with the answers compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from retraced.errors import GroupMissing
from retraced.keys import Keys
from retraced.outcome import Outcome
from retraced.retention import Retention
from retraced.store import writes
from retraced.store.blocking import BlockingLink
from retraced.store.scripts import Call
from retraced.store.writes import Answer, Author, Reclaimed, Ruling, Source, Taken, Verdict
from tests.properties.model.agreement import check, check_fields
from tests.properties.model.hands import (
    BEAT,
    PAGE,
    VISIBILITY_MS,
    Delivery,
    Hands,
    Manner,
    Worker,
    decided,
)
from tests.properties.model.job import Job, Place, by_id
from tests.properties.model.view import look
from tests.properties.model.world import Group, World

EVERY_MS = 10_000
UNBOUNDED = 1_000
HOUR_MS = 3_600_000
Spot = tuple[Source, bytes]


class Play:
    """The engine and the model side by side. Every method raises AssertionError where they part."""

    def __init__(self, link: BlockingLink, stream: str, groups: Sequence[str]) -> None:
        self.link = link
        self.hands = Hands(link)
        self.world = World(groups)
        self.keys = {name: Keys.of(stream, name) for name in groups}
        self.past: dict[str, list[tuple[Author, Delivery]]] = {name: [] for name in groups}
        self.hands.clear(stream.encode())
        for name in groups:
            assert link.run(writes.join(self.keys[name], visibility_ms=VISIBILITY_MS)).created

    def retain(self, retention: Retention | None) -> None:
        self.link.run(writes.retain(next(iter(self.keys.values())), retention))
        self.world.retains = retention is not None

    @property
    def stream(self) -> bytes:
        return next(iter(self.keys.values())).stream

    def group(self, name: str) -> Group:
        return self.world.groups[name]

    def check(self) -> None:
        check(self.world, look(self.link, list(self.keys.values())))

    def add(self, fields: list[bytes]) -> None:
        self.world.add(self.hands.add(self.stream, fields), fields)

    def fetch(self, name: str, worker: Worker, count: int, *, lost: bool) -> None:
        """The oldest queued entries of each source; `lost`: the worker never sees them."""
        group = self.group(name)
        ready = sorted(group.at(Place.READY), key=lambda job: by_id(job.entry))[:count]
        unread = self.world.unread(group)[:count]
        expected = [(Source.READY, job.entry) for job in ready]
        expected += [(Source.STREAM, job.id) for job in unread]
        given = self.hands.fetch(self.keys[name], worker.consumer, count)
        assert [each.held[:2] for each, _ in given] == expected
        for delivery, fields in given:
            job = group.jobs[delivery.held.job]
            self._check_fields(name, job, delivery.held.source, fields)
            job.deliver(delivery.held.source, delivery.held.entry, worker.consumer)
        if not lost:
            worker.holding(name).extend(each for each, _ in given)

    def settle(
        self,
        name: str,
        author: Author,
        deliveries: Sequence[Delivery],
        outcome: Outcome,
        manner: Manner,
    ) -> list[Delivery]:
        """Writes what follows from an outcome; gives the deliveries that were answered."""
        settled = []
        now_ms = self.hands.now_ms()
        for batch in decided(deliveries, outcome, manner, now_ms):
            for _ in range(1 + manner.twice):
                written = self.hands.write(self.keys[name], author, batch, manner.max_bytes)
                answers = [(each, *reply) for (each, _), reply in zip(batch, written, strict=True)]
                answers.sort(key=lambda answer: by_id(answer[0].held.job))
                settled += self._answered(name, author, answers, outcome, manner)
        self.past[name] += [(author, each) for each in settled]
        return settled

    def renew(self, name: str, worker: Worker) -> None:
        group, hand = self.group(name), worker.holding(name)
        held = [each.held for each in hand]
        call = writes.renew(
            self.keys[name],
            worker.author,
            held,
            page=PAGE,
            beat=BEAT,
            visibility_ms=VISIBILITY_MS,
        )
        gone = set()
        for each, answer in zip(held, self.link.run(call), strict=True):
            expected = group.verdict(worker.consumer, each)
            job = group.jobs[each.job]
            if expected is Answer.OK and job.removed:
                gone.add(job.id)
                expected = Answer.GONE
            elif expected is Answer.OK:
                job.silent = False
            assert answer is expected, f"renewing {each} answered {answer}, not {expected}"
        for id_ in gone:
            self.world.vanish(group, group.jobs[id_])
            group.jobs[id_].flagged = False

    def silence(self, name: str, chosen: Callable[[Job], bool]) -> None:
        """Some held deliveries have not been renewed for long."""
        for job in self.group(name).held():
            if chosen(job) and not job.removed:
                self.hands.silence(self.keys[name], job.source, job.owner, job.entry)
                job.silent = True

    def reclaim(
        self,
        name: str,
        worker: Worker,
        *,
        free: int,
        suspects: int,
        ceiling: int,
        page: int = PAGE,
        lost: bool = False,
    ) -> Reclaimed:
        """One sweep that is due; `lost`: the worker never sees what it took."""
        keys, group, hand = self.keys[name], self.group(name), worker.holding(name)
        offered, free = free, 0 if group.paused else free
        known = {each.held[:2] for each in hand}
        silent = {
            (job.source, job.entry): job
            for job in group.held()
            if job.silent and (job.owner != worker.consumer or (job.source, job.entry) not in known)
        }
        self.hands.let_reclaim(keys)
        suspicious = {spot for spot, job in silent.items() if job.suspect}
        from_start = not any(self.link.call("HMGET", keys.state, "cursor:s", "cursor:r"))
        reply = self.link.run(self.reclaiming(name, worker, offered, suspects, ceiling, page))
        assert (reply.hold_ms, reply.wait_ms) == (0, 0), "a sweep was due and not held off"
        taken = [self._taken(name, worker, silent, each, ceiling) for each in reply.entries]
        children = len([each for each in taken if each.held[:2] in suspicious])
        assert len(taken) <= free, "no more than the caller has slots"
        assert children <= suspects, "no more than it has slots for children"
        self._ended(name, silent, reply, ceiling)
        if from_start and page >= PAGE and len(taken) < free:
            left = [job.id for job in silent.values() if children < suspects or not job.suspect]
            assert not left, f"left behind: {left}"
        if not lost:
            hand += taken
        return reply

    def reclaim_pages(self, name: str, worker: Worker, *, ceiling: int, page: int = PAGE) -> None:
        """Sweeps with many slots, until the sweep says that it has ended."""
        for _ in range(UNBOUNDED):
            reply = self.reclaim(
                name, worker, free=UNBOUNDED, suspects=UNBOUNDED, ceiling=ceiling, page=page
            )
            if not reply.more:
                return
        raise AssertionError("the sweep doesn't end")

    def reclaiming(
        self, name: str, worker: Worker, free: int, suspects: int, ceiling: int, page: int = PAGE
    ) -> Call[Reclaimed]:
        return writes.reclaim(
            self.keys[name],
            worker.author,
            free=free,
            free_suspects=suspects,
            holds=[each.held for each in worker.holding(name)],
            lost_ceiling=ceiling,
            every_ms=EVERY_MS,
            page=page,
        )

    def promote(self, name: str, author: Author, *, limit: int, max_bytes: int) -> int:
        """Due jobs go to `ready` in due order, then in id order."""
        group = self.group(name)
        reply = self.link.run(
            writes.promote(
                self.keys[name],
                author,
                limit=limit,
                max_bytes=max_bytes,
                hungry=False,
                beat=BEAT,
            )
        )
        due = [] if group.paused else group.due(reply.now_ms)
        least = min(limit, len(due)) if max_bytes > 1 else min(1, len(due))
        assert least <= reply.promoted <= min(limit, len(due))
        promoted = due[: reply.promoted]
        for job in promoted:
            self.world.promote(group, job)
        found = self.hands.newest_ready(self.keys[name], len(promoted))
        assert found == [job.id for job in promoted], "the order of promotion"
        waiting = [job.due for job in group.at(Place.DELAYED)]
        assert reply.next_due_ms == (None if group.paused else min(waiting, default=None))
        assert (reply.paused, reply.cancels) == (
            group.paused,
            sum(job.flagged for job in group.jobs.values()),
        )
        return reply.promoted

    def ask(self, name: str, call: Call[Verdict], expected: Ruling) -> Ruling:
        """A person's request."""
        ruling, why = self.link.run(call)
        assert ruling is expected, f"{name} answered {ruling} ({why}), not {expected}"
        return ruling

    def sweep(self, name: str, *, prune: bool) -> None:
        group = self.group(name)
        keys = self.keys[name]
        self.link.call("HSET", keys.state, "finished_age_ms", 0 if prune else HOUR_MS)
        swept = self.link.run(writes.sweep(keys))
        needed = group.needed()
        for job in group.jobs:
            before = not needed or by_id(job) < by_id(needed[0])
            reached = by_id(job) <= by_id(swept.checkpoint)
            right = before if reached else (not before or job not in self.world.stream)
            assert right, f"{job!r} and the checkpoint {swept.checkpoint!r}"
        trimmed, records = self.world.sweep(group, swept.checkpoint, prune=prune)
        pruned = self.link.run(writes.prune(keys))
        assert (swept.trimmed, pruned.records) == (trimmed, records)

    def lose(self, name: str) -> None:
        """Someone destroys the group in Redis; a worker joins it again."""
        keys = self.keys[name]
        for key in (keys.stream, keys.ready):
            self.link.call("XGROUP", "DESTROY", key, keys.group)
        try:
            self.link.run(writes.sweep(keys))
        except GroupMissing:
            pass
        else:
            raise AssertionError("a missing group went unnoticed")
        assert self.link.run(writes.join(keys)).restored
        self.world.lose(self.group(name))

    def disband(self, name: str) -> None:
        """The group is deleted for good, then made anew from the start."""
        while self.link.run(writes.disband(self.keys[name])).more:
            pass
        self.world.disband(self.group(name))
        assert self.link.run(writes.join(self.keys[name], visibility_ms=VISIBILITY_MS)).created

    def check_drained(self, name: str) -> None:
        """The script that `--drain` asks."""
        group, found = self.group(name), self.link.run(writes.drained(self.keys[name]))
        unread, ready = bool(group.at(Place.UNREAD)), bool(group.at(Place.READY))
        held, delayed = len(group.held()), len(group.at(Place.DELAYED))
        assert found[1:] == (unread, ready, held, delayed, group.paused)
        assert found.empty == (not (unread or ready or held or delayed))

    def _answered(
        self,
        name: str,
        author: Author,
        answers: Sequence[tuple[Delivery, Answer, writes.Moved | None]],
        outcome: Outcome,
        manner: Manner,
    ) -> list[Delivery]:
        """Holds the answers of one call, in the order of job ids, against the model."""
        group, settled, moved = self.group(name), [], False
        verdicts = [group.verdict(author.consumer, each.held) for each, *_ in answers]
        for (delivery, answer, reply), verdict in zip(answers, verdicts, strict=True):
            if answer is Answer.LATER:
                assert moved, f"{delivery.held} was put off by nothing"
                assert manner.max_bytes == 1
                continue
            expected = verdict
            if verdict is Answer.OK:
                job = group.jobs[delivery.held.job]
                expected = self.world.settle(
                    group, job, outcome, started=manner.started, moved=reply
                )
            assert answer is expected, f"{delivery.held} answered {answer}, not {expected}"
            moved = moved or answer is Answer.OK
            settled.append(delivery)
        return settled

    def _taken(
        self, name: str, worker: Worker, silent: dict[Spot, Job], taken: Taken, ceiling: int
    ) -> Delivery:
        """One takeover, against the model."""
        job = silent.pop((taken.source, taken.entry))
        assert not job.flagged, f"{job.id!r} should have been cancelled"
        assert not job.removed, f"{job.id!r} has no entry"
        assert (taken.count, taken.former) == (job.count + 1, job.owner)
        assert job.numbers.lost + job.count < ceiling, f"{job.id!r} was lost too often"
        self._check_fields(name, job, taken.source, taken.fields)
        self.world.reclaim(self.group(name), job, worker.consumer)
        return Delivery.of(taken.source, taken.entry, taken.fields, taken.count)

    def _ended(self, name: str, silent: dict[Spot, Job], reply: Reclaimed, ceiling: int) -> None:
        """Silent deliveries that are pending no more: each for its reason, and counted."""
        group, pending = self.group(name), self.hands.pending(self.keys[name])
        buried = vanished = cancelled = 0
        for spot in [spot for spot in silent if spot not in pending]:
            job = silent.pop(spot)
            if job.removed:
                vanished += 1
                self.world.vanish(group, job)
            elif job.flagged:
                cancelled += 1
                self.world.cancel_silent(group, job)
            else:
                buried += 1
                assert job.numbers.lost + job.count >= ceiling, f"{job.id!r} was lost by reclaim"
                self.world.bury_lost(group, job)
        assert (reply.buried, reply.vanished, reply.cancelled) == (buried, vanished, cancelled)

    def _check_fields(self, name: str, job: Job, source: Source, fields: list[bytes]) -> None:
        """The original fields, byte for byte."""
        if source is Source.STREAM:
            assert fields == self.world.stream[job.id]
        else:
            flat = self.link.call("HGETALL", self.keys[name].job(job.id))
            check_fields(job, fields, dict(zip(flat[::2], flat[1::2], strict=True)))
