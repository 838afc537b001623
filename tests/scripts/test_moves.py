"""delay.lua, bury.lua and release.lua: where a job goes that didn't succeed, with what it has."""

from __future__ import annotations

from typing import Any

import pytest

from retraced.store import writes
from retraced.store.writes import Answer, Source
from tests.scripts.board import Board, named, numbers, padded

ODD: dict[Any, str | bytes] = {
    "type": "t",
    "@mine": "1",
    "@@twice": "2",
    b"\xff\x00": b"\x00\xff",
    "": "",
    "f:x": "y",
}


class TestDelay:
    def test_writes_the_record_with_the_body_and_the_due_time(self, board: Board) -> None:
        held = board.held(ODD)
        counts = numbers(attempt=2, deliveries=4, lost=1, crashes=1)
        [moved] = board.run(board.delay([board.move(held, after_ms=60_000, counts=counts)]))
        assert moved.answer is Answer.OK
        assert moved.due_ms == moved.now_ms + 60_000
        assert abs(moved.now_ms - board.now()) < 5_000
        assert board.places(held.job) == ["delayed"]
        assert board.raw.zscore(board.keys.delayed, padded(held.job)) == moved.due_ms
        record = board.record(held.job)
        expected = {
            b"state": b"delayed", b"attempt": b"2", b"deliveries": b"4", b"lost": b"1",
            b"crashes": b"1", b"due": b"%d" % moved.due_ms, b"reason": b"retry", b"error": b"boom",
            b"begun": b"1", b"fields": b"6", b"f:@mine": b"1", b"f:@@twice": b"2",
            b"f:\xff\x00": b"\x00\xff", b"f:": b"", b"f:type": b"t", b"f:f:x": b"y",
        }  # fmt: skip
        assert expected.items() <= record.items()
        assert board.entries(board.keys.stream) == []

    def test_tells_the_event_that_it_was_given(self, board: Board) -> None:
        held, other = board.held(), board.held()
        moves = [
            board.move(held, event="snoozed", reason="snooze", error=""),
            board.move(other, detail={"traceback": 'a "quoted"\nline \ud800 é'}),
        ]
        board.run(board.delay(moves))
        [snoozed] = board.events("snoozed")
        assert snoozed["jobs"][held.job.decode()]["reason"] == "snooze"
        [failed] = board.events("failed")
        told = failed["jobs"][other.job.decode()]
        assert told["traceback"] == 'a "quoted"\nline \\ud800 é'
        assert told["error"] == "boom"
        assert told["due"] == int(board.record(other.job)[b"due"])
        [story] = board.story(other.job)
        assert story.items() >= {**told, "event": "failed", "worker": "w1", "release": "r1"}.items()
        assert board.state()[b"n:snoozed"] == board.state()[b"n:failed"] == b"1"

    @pytest.mark.parametrize("due", [{"after_ms": 0}, {"due_ms": 1}])
    def test_goes_straight_to_ready_when_it_is_due(self, board: Board, due: dict[str, Any]) -> None:
        held = board.held(ODD)
        [moved] = board.run(board.delay([board.move(held, **due)]))
        assert board.places(held.job) == ["ready"]
        [[entry, fields]] = board.entries(board.keys.ready)
        assert named(fields) == {
            b"@job": held.job, b"@attempt": b"1", b"@deliveries": b"1", b"@lost": b"0",
            b"@crashes": b"0", b"@due": b"%d" % moved.due_ms, b"@begun": b"1", b"type": b"t",
            b"@@mine": b"1", b"@@@twice": b"2", b"\xff\x00": b"\x00\xff", b"": b"", b"f:x": b"y",
        }  # fmt: skip
        record = board.record(held.job)
        assert record[b"entry"] == entry
        assert record[b"state"] == b"queued"
        assert not [name for name in record if name.startswith(b"f:")]

    def test_comes_back_from_ready_with_the_fields_it_had(self, board: Board) -> None:
        held = board.held(ODD)
        board.run(board.delay([board.move(held, after_ms=0)]))
        [again] = board.fetch(Source.READY)
        board.run(board.delay([board.move(again)]))
        assert board.places(held.job) == ["delayed"]
        record = board.record(held.job)
        assert record[b"f:@mine"] == b"1"
        assert record[b"f:@@twice"] == b"2"
        assert b"f:@job" not in record
        assert [each["event"] for each in board.story(held.job)] == ["failed", "failed"]

    def test_keeps_a_field_that_stands_twice_as_readers_see_it(self, board: Board) -> None:
        board.raw.execute_command("XADD", board.keys.stream, "*", "a", "1", "a", "2")
        [held] = board.fetch()
        board.run(board.delay([board.move(held)]))
        assert board.record(held.job)[b"f:a"] == b"2"

    def test_remembers_since_when_a_job_has_had_no_handler(self, board: Board) -> None:
        held = board.held()
        move = board.move(held, event="unhandled", unhandled_since_ms=123)
        board.run(board.delay([move]))
        assert board.record(held.job)[b"unhandled_since"] == b"123"

    def test_takes_a_due_time_of_ten_years_ahead(self, board: Board) -> None:
        due_ms = board.now() + 10 * 366 * 86_400_000
        held = board.held()
        [moved] = board.run(board.delay([board.move(held, due_ms=due_ms)]))
        assert moved.due_ms == due_ms
        assert board.record(held.job)[b"due"] == b"%d" % due_ms

    def test_writes_a_due_time_of_15_digits_in_full(self, board: Board) -> None:
        held = board.held()
        [moved] = board.run(board.delay([board.move(held, due_ms=253_402_300_799_999)]))
        assert moved.due_ms == 253_402_300_799_999
        assert board.record(held.job)[b"due"] == b"253402300799999"
        assert board.story(held.job)[0]["due"] == 253_402_300_799_999

    def test_refuses_an_event_that_isnt_a_delay(self, board: Board) -> None:
        held = board.held()
        with pytest.raises(Exception, match="no such event"):
            board.run(board.delay([board.move(held, event="completed")]))
        assert board.places(held.job) == ["held"]


class TestBury:
    def test_writes_the_dead_letter_and_ends_the_job(self, board: Board) -> None:
        held = board.held(ODD)
        assert board.run(board.bury([board.burial(held)])) == [Answer.OK]
        assert board.places(held.job) == ["dead"]
        [[entry, fields]] = board.entries(board.keys.dlq)
        letter = named(fields)
        assert abs(int(letter.pop(b"@at")) - board.now()) < 5_000
        assert letter == {
            b"@job": held.job, b"@reason": b"exhausted", b"@error": b"boom", b"@attempts": b"5",
            b"@deliveries": b"1", b"@lost": b"0", b"@crashes": b"0", b"type": b"t",
            b"@@mine": b"1", b"@@@twice": b"2", b"\xff\x00": b"\x00\xff", b"": b"", b"f:x": b"y",
        }  # fmt: skip
        record = board.record(held.job)
        assert record[b"state"] == b"dead"
        assert record[b"entry"] == entry
        assert [each["event"] for each in board.story(held.job)] == ["dead"]
        assert board.story(held.job)[0]["reason"] == "exhausted"
        assert board.raw.zcard(board.keys.finished) == 0
        assert board.entries(board.keys.stream) == []
        assert board.state()[b"n:dead"] == b"1"

    def test_keeps_the_end_of_a_long_error(self, board: Board) -> None:
        held = board.held()
        burial = board.burial(held)._replace(error="x" * 10_000 + "é the end")
        board.run(board.bury([burial]))
        [letter] = board.dead_letters()
        assert letter[b"@error"].endswith("é the end".encode())
        assert len(letter[b"@error"]) <= 4_096


class TestRelease:
    def test_of_one_that_never_began_leaves_no_record(self, board: Board) -> None:
        held = board.held(ODD)
        assert board.run(board.release([board.releasing(held)])) == [Answer.OK]
        assert board.places(held.job) == ["ready"]
        [fields] = board.ready()
        assert b"@due" not in fields
        assert b"@begun" not in fields
        assert fields[b"@@mine"] == b"1"
        assert board.record(held.job) == {}
        [event] = board.events("released")
        assert list(event["jobs"]) == [held.job.decode()]

    def test_of_one_that_began_makes_a_record(self, board: Board) -> None:
        held = board.held()
        board.run(board.release([board.releasing(held, begun=True)]))
        [fields] = board.ready()
        assert fields[b"@begun"] == b"1"
        record = board.record(held.job)
        assert record[b"state"] == b"queued"
        assert record[b"entry"] == board.entries(board.keys.ready)[0][0]
        assert [each["event"] for each in board.story(held.job)] == ["released"]

    def test_keeps_the_due_time_that_was_obeyed(self, board: Board) -> None:
        again = board.held_again()
        due = board.ready()[0][b"@due"]
        board.run(board.release([board.releasing(again)]))
        [fields] = board.ready()
        assert fields[b"@due"] == due

    def test_keeps_the_order_of_ids(self, board: Board) -> None:
        held = [board.held() for _ in range(5)]
        shuffled = [held[place] for place in (3, 0, 4, 2, 1)]
        board.run(board.release([board.releasing(each) for each in shuffled]))
        assert [each[b"@job"] for each in board.ready()] == [each.job for each in held]


MOVES = {
    "delay": lambda board, held, **more: board.delay([board.move(each) for each in held], **more),
    "bury": lambda board, held, **more: board.bury([board.burial(each) for each in held], **more),
    "release": lambda board, held, **more: board.release(
        [board.releasing(each) for each in held], **more
    ),
}


@pytest.mark.parametrize("name", MOVES)
class TestEveryMove:
    def test_answers_later_beyond_its_bytes_but_moves_at_least_one(
        self, board: Board, name: str
    ) -> None:
        held = [board.held({"payload": "x" * 1000}) for _ in range(5)]
        before = board.pending()
        answers = words(board.run(MOVES[name](board, held, max_bytes=2_100)))
        assert answers == [Answer.OK] * 2 + [Answer.LATER] * 3
        assert len(board.pending()) == len(before) - 2
        rest = held[2:]
        answers = words(board.run(MOVES[name](board, rest, max_bytes=1)))
        assert answers == [Answer.OK] + [Answer.LATER] * 2

    def test_settles_a_cancelled_job_as_cancelled_instead(self, board: Board, name: str) -> None:
        held, kept = board.held_again(), board.held()
        board.run(writes.cancel(board.keys, held.job, by="ada"))
        answers = words(board.run(MOVES[name](board, [held, kept])))
        assert answers == [Answer.CANCELLED, Answer.OK]
        assert board.places(held.job) == []
        assert board.record(held.job)[b"state"] == b"cancelled"
        assert board.raw.scard(board.keys.cancelled) == 0
        story = [each["event"] for each in board.story(held.job)]
        assert story == ["failed", "cancel_requested", "cancelled"]

    def test_carries_5000_fields_by_reference(self, board: Board, name: str) -> None:
        fields: dict[Any, str] = {f"name-{number}": f"value-{number}" for number in range(4_999)}
        held = board.held({**fields, "@own": "x"})
        assert words(board.run(MOVES[name](board, [held]))) == [Answer.OK]
        record = board.record(held.job)
        assert sum(each.startswith(b"f:") for each in record) == 5_000
        assert record[b"f:name-4998"] == b"value-4998"
        assert record[b"f:@own"] == b"x"
        if name == "delay":
            return
        [entry] = board.ready() if name == "release" else board.dead_letters()
        assert entry[b"@record"] == b"1"
        assert len(entry) < 12

    def test_of_1000_fields_is_a_plain_copy(self, board: Board, name: str) -> None:
        held = board.held({f"name-{number}": "v" for number in range(1_000)})
        assert words(board.run(MOVES[name](board, [held]))) == [Answer.OK]
        if name == "delay":
            board.due_now(held.job)
            board.run(board.promote())
        [entry] = board.dead_letters() if name == "bury" else board.ready()
        assert entry[b"name-999"] == b"v"
        assert not [each for each in board.record(held.job) if each.startswith(b"f:")]


def words(replies: list[Answer] | list[writes.Moved]) -> list[Answer]:
    return [each.answer if isinstance(each, writes.Moved) else each for each in replies]


LONG = {f"name-{number}": f"value-{number}" for number in range(5_000)}


class TestALongJob:
    def test_goes_all_the_way_round(self, board: Board) -> None:
        held = board.held(LONG)
        board.run(board.delay([board.move(held)]))
        board.due_now(held.job)
        board.run(board.promote())
        [again] = board.fetch(Source.READY)
        board.run(board.delay([board.move(again, after_ms=0)]))
        [again] = board.fetch(Source.READY)
        board.run(board.release([board.releasing(again)]))
        [again] = board.fetch(Source.READY)
        board.run(board.bury([board.burial(again)]))
        board.run(writes.requeue(board.keys, held.job, by="ada"))
        [again] = board.fetch(Source.READY)
        assert self.kept(board, held.job) == 5_000
        board.run(board.complete(again))
        assert self.kept(board, held.job) == 0
        assert b"fields" not in board.record(held.job)
        told = [each["event"] for each in board.story(held.job)]
        assert told == [
            "failed", "promoted", "failed", "released", "dead", "requeued", "completed",
        ]  # fmt: skip

    def test_whose_record_was_removed_has_vanished(self, board: Board) -> None:
        held = board.held(LONG)
        board.run(board.delay([board.move(held, after_ms=0)]))
        [again] = board.fetch(Source.READY)
        board.raw.delete(board.keys.job(held.job))
        assert words(board.run(board.delay([board.move(again)]))) == [Answer.GONE]
        assert len(board.events("vanished")) == 1

    @staticmethod
    def kept(board: Board, job: bytes) -> int:
        return sum(name.startswith(b"f:") for name in board.record(job))


def test_a_story_keeps_its_first_20_and_last_80_events(board: Board) -> None:
    held = board.held()
    for number in range(130):
        error = f"error {number}"
        board.run(board.delay([board.move(held, after_ms=0, error=error)]))
        [held] = board.fetch(Source.READY)
    assert board.record(held.job)[b"e_count"] == b"130"
    kept = [int(each["error"].split()[1]) for each in board.story(held.job)]
    assert kept == [*range(20), *range(50, 130)]


def test_entries_read_together_are_told_apart(board: Board) -> None:
    """Some of the batch, with others' entries, removed ones and large ones in between."""
    sizes = [1] * 12 + [2_000, 1, 1, 2_000] + [1] * 9
    bodies = {board.add({"n": str(n), "pad": "x" * size}): n for n, size in enumerate(sizes)}
    held = board.fetch()
    removed = {held[3].job, held[13].job, held[24].job}
    board.raw.xdel(board.keys.stream, *removed)
    batch = [each for place, each in enumerate(held) if place % 5 != 1]
    moved = board.run(board.delay([board.move(each, after_ms=0) for each in reversed(batch)]))
    gone = {each.job for each, how in zip(reversed(batch), moved, strict=True) if how.due_ms == 0}
    assert gone == removed
    kept = {entry[b"@job"]: int(entry[b"n"]) for entry in board.ready()}
    assert kept == {each.job: bodies[each.job] for each in batch if each.job not in removed}
    left = {entry for entry, _ in board.entries(board.keys.stream)}
    assert left == {each.job for place, each in enumerate(held) if place % 5 == 1} - removed


def test_a_first_record_does_without_what_is_empty_and_a_later_step_clears_it(board: Board) -> None:
    held = board.held()
    board.run(board.delay([board.move(held, after_ms=0, begun=False, error="")]))
    assert not {b"begun", b"error", b"unhandled_since"} & set(board.record(held.job))
    for error, since in (("boom", 7), ("", None)):
        [held] = board.fetch(Source.READY)
        move = board.move(held, after_ms=0, error=error, unhandled_since_ms=since)
        board.run(board.delay([move]))
        record = board.record(held.job)
        assert record[b"error"].decode() == error
        assert record[b"unhandled_since"].decode() == str(since or "")
