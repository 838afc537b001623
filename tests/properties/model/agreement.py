"""Whether Redis agrees with the model: one place for each job, its numbers, bytes and story."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from retraced.entry import Carried, split_ready
from retraced.outcome import Counts
from retraced.store.writes import Source
from tests.properties.model.job import SOME_TIME, Job, Place, by_id
from tests.properties.model.view import Fields, GroupView, View, story
from tests.properties.model.world import Group, World

Spots = dict[bytes, list[tuple[Any, ...]]]


def check(world: World, view: View) -> None:
    """Raises AssertionError with both sides where they differ."""
    assert not view.strays, f"keys that nobody knows: {view.strays}"
    assert view.stream == world.stream, "S holds exactly what some group has not settled"
    for name, group in world.groups.items():
        own = view.groups[name]
        _learn(group, own)
        expected = {job.id: [_spot(job)] for job in group.jobs.values() if _spot(job)}
        _same(f"where the jobs of {name} are", expected, dict(_spots(view, own)))
        _check_copies(group, own)
        _check_records(group, own)
        _same(f"what {name} has counted", dict(group.events), own.counters)
        _same(f"cancels of {name}", _flagged(group), own.cancelled)
        _same(f"finished records of {name}", group.finished, own.finished)


def _same(what: str, expected: Any, found: Any) -> None:
    assert found == expected, f"{what}:\n  model {expected}\n  redis {found}"


def _learn(group: Group, view: GroupView) -> None:
    """Ids of entries that scripts made are known once they are seen."""
    for copies, place in ((view.ready, Place.READY), (view.dead, Place.DEAD)):
        for entry, fields in copies.items():
            job = group.jobs.get(_job_of(fields))
            if job is not None and job.place is place and not job.entry:
                job.entry = entry


def _spot(job: Job) -> tuple[Any, ...]:
    """Where the model has a job; nothing for one that is over."""
    match job.place:
        case Place.UNREAD:
            return ("unread",)
        case Place.HELD:
            return ("held", job.source, job.entry, job.owner, job.count)
        case Place.READY | Place.DEAD:
            return (job.place.value, job.entry)
        case Place.DELAYED:
            return ("delayed", job.due)
        case _:
            return ()


def _spots(view: View, own: GroupView) -> Spots:
    """Every place at which Redis has a job of this group."""
    found: Spots = defaultdict(list)
    for job in view.stream:
        if by_id(job) > by_id(own.last_delivered):
            found[job].append(("unread",))
    for row in own.pending[Source.STREAM]:
        found[row.entry].append(("held", Source.STREAM, row.entry, row.consumer, row.count))
    held = {
        row.entry: ("held", Source.READY, row.entry, row.consumer, row.count)
        for row in own.pending[Source.READY]
    }
    assert held.keys() <= own.ready.keys(), f"pending in ready without an entry: {held}"
    for entry, fields in own.ready.items():
        found[_job_of(fields)].append(held.get(entry, ("ready", entry)))
    for job, due in own.delayed.items():
        found[job].append(("delayed", due))
    for entry, fields in own.dead.items():
        found[_job_of(fields)].append(("dead", entry))
    return found


def _check_copies(group: Group, view: GroupView) -> None:
    for copies in (view.ready, view.dead):
        for fields in copies.values():
            job = group.jobs[_job_of(fields)]
            check_fields(job, fields, view.records.get(job.id, {}))
            if copies is view.ready:
                _check_carried(job, split_ready(fields)[0])
            else:
                _check_letter(job, dict(zip(fields[::2], fields[1::2], strict=True)))


def check_fields(job: Job, fields: Fields, record: Mapping[bytes, bytes]) -> None:
    """The job's own fields, byte for byte, in a copy or in the record that it refers to."""
    carried, original = split_ready(fields)
    assert carried.in_record == job.long, f"{job.id!r} by reference: {carried.in_record}"
    if job.long:
        kept = {name[2:]: value for name, value in record.items() if name[:2] == b"f:"}
        _same(f"the fields in the record of {job.id!r}", _folded(job.fields), kept)
    elif job.folded:
        _same(f"the fields of {job.id!r}", _folded(job.fields), _folded(original))
    else:
        _same(f"the fields of {job.id!r}", job.fields, original)


def _check_carried(job: Job, carried: Carried) -> None:
    found = Counts(carried.attempt, carried.deliveries, carried.lost, carried.crashes)
    _same(f"what the entry of {job.id!r} carries", job.numbers, found)
    _same(f"whether {job.id!r} has begun", job.begun, carried.begun)
    if job.obeyed == SOME_TIME:
        assert carried.due_ms, f"{job.id!r} says when it was requeued"
    else:
        _same(f"the obeyed due time of {job.id!r}", job.obeyed, carried.due_ms)


def _check_letter(job: Job, letter: Mapping[bytes, bytes]) -> None:
    names = (b"@attempts", b"@deliveries", b"@lost", b"@crashes")
    found = Counts(*(int(letter[name]) for name in names))
    _same(f"the numbers of the dead letter of {job.id!r}", job.numbers, found)
    assert letter[b"@reason"], f"{job.id!r} died for a reason"


def _check_records(group: Group, view: GroupView) -> None:
    expected = {job.id: job.record for job in group.jobs.values() if job.record is not None}
    found = {job: record[b"state"].decode() for job, record in view.records.items()}
    _same(f"records of {group.name}: only of jobs that left the fast path", expected, found)
    for id_, record in view.records.items():
        _check_record(group.jobs[id_], record)


def _check_record(job: Job, record: Mapping[bytes, bytes]) -> None:
    numbers = (record.get(name, b"0") for name in (b"attempt", b"deliveries", b"lost", b"crashes"))
    _same(f"the numbers in the record of {job.id!r}", job.noted, Counts(*map(int, numbers)))
    _same(f"the story of {job.id!r}", job.told, story(dict(record)))
    in_copy = job.place in {Place.READY, Place.DEAD} or (
        job.place is Place.HELD and job.source is Source.READY
    )
    if in_copy:
        _same(f"where the record of {job.id!r} has its entry", job.entry, record[b"entry"])
    keeps = job.place is Place.DELAYED or (job.long and in_copy)
    kept = {name[2:]: value for name, value in record.items() if name[:2] == b"f:"}
    _same(f"fields in the record of {job.id!r}", _folded(job.fields) if keeps else {}, kept)


def _flagged(group: Group) -> set[bytes]:
    return {job.id for job in group.jobs.values() if job.flagged}


def _folded(fields: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))


def _job_of(fields: Sequence[bytes]) -> bytes:
    return dict(zip(fields[::2], fields[1::2], strict=True))[b"@job"]
