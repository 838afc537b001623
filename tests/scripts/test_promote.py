"""promote.lua: what is due goes to ready, in order, with everything it had; and the news."""

from __future__ import annotations

from typing import Any

import pytest

from retraced.store import writes
from retraced.store.writes import Source
from tests.scripts.board import Board, named, numbers, padded
from tests.scripts.test_moves import ODD


def test_moves_what_is_due_with_the_numbers_it_carries(board: Board) -> None:
    held = board.held(ODD)
    counts = numbers(attempt=2, deliveries=3, lost=1, crashes=1)
    [moved] = board.run(board.delay([board.move(held, after_ms=60_000, counts=counts)]))
    due_ms = moved.now_ms - 1
    board.raw.zadd(board.keys.delayed, {padded(held.job): due_ms})
    promotion = board.run(board.promote())
    assert promotion.promoted == 1
    assert board.places(held.job) == ["ready"]
    [[entry, fields]] = board.entries(board.keys.ready)
    assert named(fields) == {
        b"@job": held.job, b"@attempt": b"2", b"@deliveries": b"3", b"@lost": b"1",
        b"@crashes": b"1", b"@due": b"%d" % due_ms, b"@begun": b"1", b"type": b"t",
        b"@@mine": b"1", b"@@@twice": b"2", b"\xff\x00": b"\x00\xff", b"": b"", b"f:x": b"y",
    }  # fmt: skip
    record = board.record(held.job)
    assert (record[b"state"], record[b"entry"]) == (b"queued", entry)
    assert not [name for name in record if name.startswith(b"f:")]
    assert board.story(held.job)[-1].items() >= {"event": "promoted", "due": due_ms}.items()
    assert board.state()[b"n:promoted"] == b"1"


def test_leaves_what_isnt_due_and_says_when_it_is(board: Board) -> None:
    held = board.held()
    [moved] = board.run(board.delay([board.move(held)]))
    promotion = board.run(board.promote())
    assert promotion.promoted == 0
    assert promotion.next_due_ms == moved.due_ms
    assert board.places(held.job) == ["delayed"]


def test_says_nothing_is_due_when_nothing_is_delayed(board: Board) -> None:
    promotion = board.run(board.promote())
    assert promotion.next_due_ms is None
    assert abs(promotion.now_ms - board.now()) < 5_000
    assert (promotion.paused, promotion.cancels, promotion.version) == (False, 0, 1)


def test_goes_by_due_time_then_by_id_as_numbers(board: Board) -> None:
    ids = [b"5-2", b"5-10", b"77-1", b"1000-0"]
    for entry in ids:
        board.add(entry=entry.decode())
    held = board.fetch()
    board.run(board.delay([board.move(each) for each in reversed(held)]))
    for job in ids[:3]:
        board.raw.zadd(board.keys.delayed, {padded(job): 2})
    board.raw.zadd(board.keys.delayed, {padded(ids[3]): 1})
    board.run(board.promote())
    assert [each[b"@job"] for each in board.ready()] == [ids[3], *ids[:3]]


def test_is_bounded_by_jobs_and_by_bytes(board: Board) -> None:
    held = [board.held({"payload": "x" * 1_000}) for _ in range(6)]
    board.run(board.delay([board.move(each) for each in held]))
    for each in held:
        board.due_now(each.job)
    assert board.run(board.promote(limit=2)).promoted == 2
    first = board.run(board.promote(max_bytes=2_100))
    assert first.promoted == 2
    assert first.next_due_ms == 1
    assert board.run(board.promote(max_bytes=1)).promoted == 1
    assert board.run(board.promote()).promoted == 1


def test_promotes_nothing_while_paused(board: Board) -> None:
    job = board.delayed()
    board.due_now(job)
    board.run(writes.pause(board.keys, by="ada"))
    promotion = board.run(board.promote())
    assert (promotion.promoted, promotion.paused, promotion.next_due_ms) == (0, True, None)
    board.run(writes.resume(board.keys, by="ada"))
    assert board.run(board.promote()).promoted == 1


def test_tells_of_cancels_and_of_changed_facts(board: Board) -> None:
    board.run(writes.cancel(board.keys, board.held().job, by="ada"))
    board.run(writes.set_facts(board.keys, {"max_attempts": 3}))
    promotion = board.run(board.promote())
    assert (promotion.cancels, promotion.version) == (1, 2)


def test_tells_of_another_hungry_worker_only(board: Board) -> None:
    other = board.other(b"w2")
    assert not board.run(board.promote(hungry=True)).hungry_elsewhere
    assert board.run(other.promote()).hungry_elsewhere
    assert not board.run(board.promote(hungry=False)).hungry_elsewhere
    assert not board.run(other.promote()).hungry_elsewhere
    board.run(board.promote(hungry=True))
    board.raw.hset(board.keys.state, "hungry_at", board.now() - 10_000)
    assert not board.run(other.promote()).hungry_elsewhere


def test_writes_tick_and_heartbeat(board: Board) -> None:
    board.run(board.promote())
    assert abs(int(board.state()[b"tick"]) - board.now()) < 5_000
    assert board.raw.zscore(board.keys.workers, "w1") is not None
    assert board.raw.pttl(board.keys.worker(b"w1")) > 0


def test_a_delayed_job_without_its_record_has_vanished(board: Board) -> None:
    job, kept = board.delayed(), board.delayed()
    board.raw.delete(board.keys.job(job))
    board.due_now(job)
    board.due_now(kept)
    assert board.run(board.promote()).promoted == 2
    assert board.places(job) == []
    assert board.places(kept) == ["ready"]
    [event] = board.events("vanished")
    assert list(event["jobs"]) == [job.decode()]


def test_a_promotion_that_failed_late_isnt_told_as_a_loss(board: Board) -> None:
    job = board.delayed()
    board.due_now(job)
    board.run(board.promote())
    board.due_now(job)  # as if the ZREM had failed
    board.run(board.promote())
    assert board.places(job) == ["ready"]
    assert board.events("vanished") == []


LONG = {f"name-{number}": "v" for number in range(1_001)}


@pytest.mark.parametrize("fields", [None, LONG], ids=["short", "long"])
@pytest.mark.parametrize("since", ["nothing", "taken over", "completed", "buried"])
def test_a_promotion_that_failed_late_isnt_made_again(
    board: Board, fields: dict[Any, str] | None, since: str
) -> None:
    job = board.delayed(fields)
    board.due_now(job)
    board.run(board.promote())
    board.due_now(job)  # as if the ZREM had failed
    held = board.fetch(Source.READY) if since != "nothing" else []
    if since == "taken over":
        board.silence(*held)
        board.ticking()
        assert len(board.run(board.other(b"w2").reclaim()).entries) == 1
    elif since == "completed":
        board.run(board.complete(*held))
    elif since == "buried":
        board.run(board.bury([board.burial(each) for each in held]))
    state = board.record(job)[b"state"]
    board.run(board.promote())
    then = {"completed": [], "buried": ["dead"]}
    assert board.places(job) == then.get(since, ["ready"])
    assert len(board.ready()) == len(then.get(since, ["ready"])) - (since == "buried")
    assert board.record(job)[b"state"] == state
    assert board.events("vanished") == []
    assert [each["event"] for each in board.story(job)].count("promoted") == 1


def test_a_long_job_stays_in_its_record(board: Board) -> None:
    job = board.delayed({f"name-{number}": "v" for number in range(5_000)})
    board.due_now(job)
    assert board.run(board.promote()).promoted == 1
    [entry] = board.ready()
    assert entry[b"@record"] == b"1"
    assert len([name for name in board.record(job) if name.startswith(b"f:")]) == 5_000
    assert [each.job for each in board.fetch(Source.READY)] == [job]


def spoil(board: Board, *jobs: bytes) -> dict[bytes, bytes]:
    """Someone writes over records; answers what is left in their place."""
    spoilt = {board.keys.job(job): b"mine" for job in jobs}
    board.raw.mset(spoilt)
    return spoilt


def test_a_record_that_isnt_one_stops_no_other_job(board: Board) -> None:
    first, wrong, later, last = (board.delayed() for _ in range(4))
    for due_ms, job in enumerate((first, wrong, later), 1):
        board.raw.zadd(board.keys.delayed, {padded(job): due_ms})
    spoilt = spoil(board, wrong)
    promotion = board.run(board.promote())
    assert (promotion.promoted, promotion.wrong_key) == (2, board.keys.job(wrong))
    assert [board.places(job) for job in (first, wrong, later, last)] == [
        ["ready"], ["delayed"], ["ready"], ["delayed"],
    ]  # fmt: skip
    assert board.raw.mget(spoilt) == [*spoilt.values()]
    assert promotion.next_due_ms == board.raw.zscore(board.keys.delayed, padded(last))
    assert [*board.events()[-1]["jobs"]] == [first.decode(), later.decode()]


def test_records_that_arent_ones_leave_room_for_a_full_batch(board: Board) -> None:
    jobs = [board.delayed() for _ in range(52)]
    for due_ms, job in enumerate(jobs, 1):
        board.raw.zadd(board.keys.delayed, {padded(job): due_ms})
    spoil(board, *jobs[:50])
    promotion = board.run(board.promote(limit=2))
    assert (promotion.promoted, promotion.next_due_ms) == (2, None)
    assert [each[b"@job"] for each in board.ready()] == jobs[50:]


def test_of_nothing_but_spoilt_records_doesnt_ask_to_be_called_again_at_once(
    board: Board,
) -> None:
    jobs = [board.delayed() for _ in range(60)]
    for job in jobs:
        board.due_now(job)
    spoil(board, *jobs)
    promotion = board.run(board.promote(limit=2))
    assert (promotion.promoted, promotion.next_due_ms) == (0, None)
    board.raw.delete(*[board.keys.job(job) for job in jobs])
    assert board.run(board.promote(limit=2)).wrong_key == b""


def test_keeps_the_bodies_of_neighbours_apart(board: Board) -> None:
    """Their fields are read by the names of the job before, where these fit."""
    many = {f"name-{number}": "v" for number in range(30)}
    bodies: list[dict[str, str]] = [
        {"type": "a", "payload": "1"}, {"type": "b", "payload": "2"}, {"type": "c"},
        {"type": "d", "payload": "4", "delay": "1s"}, {"payload": "5", "other": "x"}, many,
        {**many, "name-0": "w"}, {"f:type": "e", "@type": "f"}, {"type": "g", "payload": "8"},
    ]  # fmt: skip
    jobs = {board.delayed(body): body for body in bodies}
    for job in jobs:
        board.due_now(job)
    assert board.run(board.promote()).promoted == len(bodies)
    for entry in board.ready():
        own = {name: value for name, value in entry.items() if not name.startswith(b"@")}
        own |= {name[1:]: value for name, value in entry.items() if name.startswith(b"@@")}
        expected = jobs[entry[b"@job"]]
        assert own == {name.encode(): value.encode() for name, value in expected.items()}
        assert not [name for name in board.record(entry[b"@job"]) if name.startswith(b"f:")]
