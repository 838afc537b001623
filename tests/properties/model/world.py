"""The model: a stream and its groups, as plain values, and what each transition must do to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from retraced.outcome import Cancelled, Outcome, Succeeded
from retraced.store.writes import Answer, Held, Moved, Ruling, Source
from tests.properties.model.job import (
    FRESH,
    NO_SCHEDULE,
    OVER,
    SOME_TIME,
    Changes,
    Fate,
    Job,
    Place,
    by_id,
    fate,
)


@dataclass(slots=True)
class Group:
    """One group's view. `events` counts what its counters must say."""

    name: str
    jobs: dict[bytes, Job] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    finished: set[bytes] = field(default_factory=set)
    checkpoint: bytes | None = None
    paused: bool = False

    def at(self, *places: Place) -> list[Job]:
        return [job for job in self.jobs.values() if job.place in places]

    def held(self, source: Source | None = None) -> list[Job]:
        return [job for job in self.at(Place.HELD) if source in (None, job.source)]

    def due(self, now_ms: int) -> list[Job]:
        """Delayed jobs that are due, in the order of promotion."""
        due = [job for job in self.at(Place.DELAYED) if job.due <= now_ms]
        return sorted(due, key=lambda job: (job.due, by_id(job.id)))

    def needed(self) -> list[bytes]:
        """What must stay in `S` for this group, lowest id first."""
        return sorted((job.id for job in self.jobs.values() if job.needs_stream), key=by_id)

    def verdict(self, consumer: bytes, held: Held) -> Answer:
        """The fence: what a settlement by this consumer must be answered."""
        job = self.jobs.get(held.job)
        if job is None or job.place is not Place.HELD:
            return Answer.GONE
        if (job.source, job.entry) != (held.source, held.entry):
            return Answer.GONE
        return Answer.OK if (job.owner, job.count) == (consumer, held.count) else Answer.STALE

    def told(self, job: Job, event: str) -> None:
        self.events[event] += 1
        job.tell(event)

    def end(self, job: Job, place: Place, event: str) -> None:
        """A job that nobody will run again; a record, if it has one, says so."""
        job.place = place
        if job.record is not None:
            job.record = place.value
            self.finished.add(job.id)
        self.told(job, event)


class World:
    """`stream`: what must be in `S`; `retains`: settled entries stay there, all of them."""

    def __init__(self, groups: Iterable[str]) -> None:
        self.stream: dict[bytes, list[bytes]] = {}
        self.retains = False
        self.groups = {name: Group(name) for name in groups}

    def add(self, job: bytes, fields: list[bytes]) -> None:
        self.stream[job] = fields
        for group in self.groups.values():
            group.jobs[job] = Job(job, fields)

    def unread(self, group: Group) -> list[Job]:
        return sorted(group.at(Place.UNREAD), key=lambda job: by_id(job.id))

    def settle(
        self, group: Group, job: Job, outcome: Outcome, *, started: bool, moved: Moved | None
    ) -> Answer:
        """What its owner must be answered, and the effect. `moved`: how a delay was answered."""
        self._leave_stream(group, job)
        if isinstance(outcome, Succeeded):
            self._complete(group, job)
        elif isinstance(outcome, Cancelled) or job.flagged:
            group.end(job, Place.CANCELLED, "cancelled")
            job.flagged = False
            return Answer.OK if isinstance(outcome, Cancelled) else Answer.CANCELLED
        elif job.removed:
            group.end(job, Place.VANISHED, "vanished")
            return Answer.GONE
        else:
            self._move(group, job, fate(outcome, job, started=started), moved)
        return Answer.OK

    def promote(self, group: Group, job: Job) -> None:
        job.to_ready(job.numbers, begun=job.begun, due=job.due)
        job.record = "queued"
        group.told(job, "promoted")

    def reclaim(self, group: Group, job: Job, owner: bytes) -> None:
        job.take_over(owner)
        group.told(job, "reclaimed")

    def bury_lost(self, group: Group, job: Job) -> None:
        self._leave_stream(group, job)
        now = job.with_this_delivery
        job.to_dead(now._replace(lost=now.lost + 1))
        job.write_record("dead")
        group.told(job, "dead")

    def vanish(self, group: Group, job: Job) -> None:
        group.end(job, Place.VANISHED, "vanished")

    def cancel_silent(self, group: Group, job: Job) -> None:
        self._leave_stream(group, job)
        group.end(job, Place.CANCELLED, "cancelled")
        job.flagged = False

    def cancel(self, group: Group, job: Job) -> Ruling:
        if job.place is Place.DELAYED:
            group.end(job, Place.CANCELLED, "cancelled")
            return Ruling.OK
        if job.place in {*OVER, Place.DEAD}:
            return self._cancel_nothing(group, job)
        if not job.flagged:
            job.flagged = True
            group.told(job, "cancel_requested")
        return Ruling.REQUESTED

    @staticmethod
    def _cancel_nothing(group: Group, job: Job) -> Ruling:
        if job.record in {*OVER, Place.DEAD}:
            return Ruling.REFUSED
        if job.record is not None:
            group.end(job, Place.VANISHED, "vanished")
        return Ruling.MISSING

    def requeue(self, group: Group, job: Job, *, keep_schedule: bool, changes: Changes) -> Ruling:
        ruling = self._grave(job)
        if ruling is Ruling.OK:
            job.edit(changes if keep_schedule else {**NO_SCHEDULE, **changes})
            numbers = FRESH._replace(deliveries=job.numbers.deliveries)
            waits = any(changes.get(name) is not None for name in (b"delay", b"run_at"))
            job.to_ready(numbers, begun=False, due=None if keep_schedule or waits else SOME_TIME)
            job.write_record("queued")
            group.told(job, "requeued")
        return ruling

    def run_now(self, group: Group, job: Job) -> Ruling:
        if job.place is not Place.DELAYED:
            return Ruling.MISSING if job.record is None else Ruling.REFUSED
        job.to_ready(job.numbers, begun=job.begun, due=SOME_TIME)
        job.record = "queued"
        group.told(job, "promoted")
        return Ruling.OK

    def replay(self, group: Group, job: Job) -> Ruling:
        """A settled job's entry, if it is still there, runs again."""
        if not self.retains or job.place not in OVER:
            return Ruling.REFUSED
        if job.id not in self.stream:
            return Ruling.MISSING
        known = job.noted.deliveries if job.record is not None else 0
        job.fields, job.folded, job.removed, job.flagged = self.stream[job.id], False, False, False
        job.edit(NO_SCHEDULE)
        job.to_ready(FRESH._replace(deliveries=known + 1), begun=False, due=SOME_TIME)
        job.write_record("queued")
        group.finished.discard(job.id)
        group.told(job, "replayed")
        return Ruling.OK

    def purge(self, group: Group, job: Job) -> Ruling:
        ruling = self._grave(job)
        if ruling is Ruling.OK:
            group.end(job, Place.PURGED, "purged")
        return ruling

    def remove(self, job: bytes) -> None:
        """Someone else deletes the entry from `S`."""
        del self.stream[job]
        for group in self.groups.values():
            own = group.jobs.get(job)
            if own is not None and own.place is Place.UNREAD:
                own.place = Place.VANISHED
            elif own is not None and own.needs_stream:
                own.removed = True

    def sweep(self, group: Group, checkpoint: bytes, *, prune: bool) -> tuple[int, int]:
        """How many entries and how many records must go."""
        group.checkpoint = checkpoint
        before = len(self.stream)
        if not self.retains:
            self._trim([job for each in self.groups.values() for job in each.needed()])
        pruned = [job for job in group.finished if prune]
        for job in group.jobs.values():
            settled = job.place in OVER and not self._after_checkpoint(group, job.id)
            over = settled or (job.place in OVER and job.record in OVER)
            job.flagged = job.flagged and not over
            if job.id in pruned and (job.record in OVER or settled):
                job.record, job.told, job.fence = None, [], 0
        group.finished -= set(pruned)
        return before - len(self.stream), len(pruned)

    def lose(self, group: Group) -> None:
        """Its groups in `S` and `ready` are gone, and made again: `S` from the checkpoint on."""
        for job in group.jobs.values():
            job.fence = 0
            if job.place is Place.HELD and job.source is Source.READY:
                job.place = Place.READY
            elif job.id in self.stream and self._after_checkpoint(group, job.id):
                job.start_again(self.stream[job.id])
            elif job.place is Place.HELD:
                job.place = Place.VANISHED

    def tangled_by_losing(self, group: Group) -> bool:
        """Whether a job would then be in `S` anew and in the group's own keys as well."""
        return any(job.removed for job in group.held()) or any(
            job.id in self.stream and self._after_checkpoint(group, job.id)
            for job in group.at(Place.READY, Place.HELD, Place.DELAYED, Place.DEAD)
            if not job.needs_stream
        )

    def disband(self, group: Group) -> None:
        """All that is its own is gone, and it begins again with what is left in `S`."""
        others = [each for each in self.groups.values() if each is not group]
        if not self.retains:
            self._trim([job for each in others for job in each.needed()])
        fresh = Group(group.name)
        fresh.jobs = {job: Job(job, fields) for job, fields in self.stream.items()}
        self.groups[group.name] = fresh

    def _move(self, group: Group, job: Job, now: Fate, moved: Moved | None) -> None:
        recorded = job.record is not None or now.begun or job.long or self.retains
        obeyed = job.obeyed if job.source is Source.READY else None
        if now.place is Place.DEAD:
            job.to_dead(now.numbers)
            job.write_record("dead")
        elif now.place is Place.READY:
            job.to_ready(now.numbers, begun=now.begun, due=obeyed)
            if recorded:
                job.write_record("queued")
        else:
            assert moved is not None, f"{job.id!r} was to be delayed"
            self._delay(job, now, moved)
        group.told(job, now.event)

    @staticmethod
    def _delay(job: Job, now: Fate, moved: Moved) -> None:
        if moved.due_ms <= moved.now_ms:
            job.to_ready(now.numbers, begun=now.begun, due=moved.due_ms)
            job.write_record("queued")
        else:
            job.to_delayed(now.numbers, begun=now.begun, due=moved.due_ms)
            job.write_record("delayed")

    def _complete(self, group: Group, job: Job) -> None:
        fast = job.source is Source.STREAM and job.count == 1
        if job.record is None or (fast and job.record in OVER):
            job.place = Place.DONE
            group.events["completed"] += 1
        elif fast:  # the record is of a group that was lost since
            group.end(job, Place.DONE, "completed")
        else:
            job.noted = job.noted._replace(attempt=job.numbers.attempt + 1)
            group.end(job, Place.DONE, "completed")
        job.flagged = False

    def _leave_stream(self, group: Group, job: Job) -> None:
        """An entry leaves `S` when every group has settled it."""
        if job.source is not Source.STREAM or self.retains:
            return
        others = (each.jobs.get(job.id) for each in self.groups.values() if each is not group)
        if not any(other is not None and other.needs_stream for other in others):
            self.stream.pop(job.id, None)

    def _trim(self, needed: list[bytes]) -> None:
        lowest = min(map(by_id, needed), default=None)
        kept = self.stream.items() if lowest else ()
        self.stream = {job: fields for job, fields in kept if lowest and by_id(job) >= lowest}

    def _after_checkpoint(self, group: Group, job: bytes) -> bool:
        return group.checkpoint is None or by_id(job) > by_id(group.checkpoint)

    @staticmethod
    def _grave(job: Job) -> Ruling:
        if job.record not in (None, Place.DEAD):
            return Ruling.REFUSED
        return Ruling.OK if job.place is Place.DEAD else Ruling.MISSING
