"""The fence: only the consumer of a delivery, at that delivery count, may settle it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from retraced.store import writes
from retraced.store.scripts import Call
from retraced.store.writes import Answer, Held, Source
from retraced.store.writes.held import id_range, in_order, ms_range
from tests.scripts.board import Board, ask

Settle = Callable[[Board, list[Held]], Call[Any]]

SETTLE: dict[str, Settle] = {
    "complete": lambda board, held: board.complete(*held),
    "drop": lambda board, held: board.drop(*held),
    "delay": lambda board, held: board.delay([board.move(each) for each in held]),
    "bury": lambda board, held: board.bury([board.burial(each) for each in held]),
    "release": lambda board, held: board.release([board.releasing(each) for each in held]),
    "renew": lambda board, held: board.renew(*held),
}
TAKE = {"stream": Board.held, "ready": Board.held_again}


def settle(board: Board, name: str, *held: Held) -> list[Answer]:
    answers = board.run(SETTLE[name](board, list(held)))
    return [each.answer if isinstance(each, writes.Moved) else each for each in answers]


@pytest.mark.parametrize("source", TAKE)
@pytest.mark.parametrize("name", SETTLE)
class TestTheFence:
    def test_lets_the_owner_pass(self, board: Board, name: str, source: str) -> None:
        held = TAKE[source](board)
        assert settle(board, name, held) == [Answer.OK]

    def test_answers_stale_when_another_consumer_owns_the_delivery(
        self, board: Board, name: str, source: str
    ) -> None:
        held = TAKE[source](board)
        board.steal(held)
        before = board.places(held.job)
        assert settle(board, name, held) == [Answer.STALE]
        assert board.places(held.job) == before
        assert board.pending(held.source)[held.entry] == (b"w2", 2)

    def test_answers_stale_when_the_same_consumer_took_the_delivery_over(
        self, board: Board, name: str, source: str
    ) -> None:
        held = TAKE[source](board)
        board.steal(held, by=b"w1")
        assert settle(board, name, held) == [Answer.STALE]
        again = held._replace(count=2)
        assert settle(board, name, again) == [Answer.OK]

    def test_answers_gone_when_nothing_is_pending(
        self, board: Board, name: str, source: str
    ) -> None:
        held = TAKE[source](board)
        board.raw.xack(board.key(held.source), "g", held.entry)
        assert settle(board, name, held) == [Answer.GONE]

    def test_answers_each_of_a_batch_for_itself(self, board: Board, name: str, source: str) -> None:
        held = [TAKE[source](board) for _ in range(5)]
        board.steal(held[1])
        board.raw.xack(board.key(held[3].source), "g", held[3].entry)
        shuffled = [held[place] for place in (4, 1, 0, 3, 2)]
        expected = [Answer.OK, Answer.STALE, Answer.OK, Answer.GONE, Answer.OK]
        assert settle(board, name, *shuffled) == expected

    def test_finds_what_is_missing_from_a_full_page(
        self, board: Board, name: str, source: str
    ) -> None:
        held = [TAKE[source](board) for _ in range(6)]
        board.page = 2
        board.steal(held[4])
        expected = [Answer.OK] * 4 + [Answer.STALE, Answer.OK]
        assert settle(board, name, *held) == expected

    def test_takes_ids_as_numbers_not_as_text(self, board: Board, name: str, source: str) -> None:
        ids = ["5-2", "5-10", "77-1", "1000-0", "9999999999999-18446744073709551614"]
        for entry in ids:
            board.add(entry=entry)
        held = board.fetch()
        if source == "ready":
            board.run(board.delay([board.move(each, after_ms=0) for each in held]))
            held = board.fetch(writes.Source.READY)
            assert [each.job.decode() for each in held] == ids
        assert settle(board, name, *held) == [Answer.OK] * 5


@pytest.mark.parametrize("name", [name for name in SETTLE if name != "renew"])
def test_a_repeated_call_finds_nothing_and_writes_nothing(board: Board, name: str) -> None:
    held = [board.held(), board.held_again()]
    assert settle(board, name, *held) == [Answer.OK] * 2
    before = board.snapshot()
    assert settle(board, name, *held) == [Answer.GONE] * 2
    assert board.snapshot() == before


@pytest.mark.parametrize("name", SETTLE)
def test_both_sources_are_settled_in_one_call(board: Board, name: str) -> None:
    first, again, second = board.held(), board.held_again(), board.held()
    assert settle(board, name, again, second, first) == [Answer.OK] * 3


@pytest.mark.parametrize("name", SETTLE)
def test_an_empty_call_answers_nothing(board: Board, name: str) -> None:
    assert settle(board, name) == []


@pytest.mark.parametrize("name", [name for name in SETTLE if name != "complete"])
def test_an_entry_that_someone_removed_is_reported_as_vanished(board: Board, name: str) -> None:
    if name == "drop":
        return  # a cancelled job needs no body
    held, kept = board.held(), board.held()
    board.raw.xdel(board.keys.stream, held.entry)
    answers = settle(board, name, held, kept)
    assert answers == [Answer.GONE, Answer.OK]
    assert [list(each["jobs"]) for each in board.events("vanished")] == [[held.job.decode()]]
    assert held.entry not in board.pending()
    assert board.state()[b"n:vanished"] == b"1"


def test_a_group_made_again_doesnt_let_old_deliveries_pass_on_another_consumer(
    board: Board,
) -> None:
    held = board.held()
    board.raw.xgroup_destroy(board.keys.stream, "g")
    board.join()
    other = board.other(b"w2")
    assert [each.job for each in other.fetch()] == [held.job]
    assert settle(board, "complete", held) == [Answer.STALE]
    assert settle(other, "complete", held) == [Answer.OK]


def test_one_look_up_serves_a_batch(board: Board) -> None:
    for _ in range(50):
        board.add()
    held = board.fetch()
    board.raw.config_resetstat()
    settle(board, "complete", *held)
    stats: dict[str, Any] = board.raw.info("commandstats")
    for command in ("xpending", "xack", "xdel"):
        assert stats[f"cmdstat_{command}"]["calls"] == 1


def test_ranges_hold_for_ids_of_any_length() -> None:
    assert id_range([]) == (b"", b"")
    assert id_range([b"5-10", b"5-2"]) == (b"5-2", b"5-10")
    assert id_range([b"1000-1", b"77-3", b"200-0"]) == (b"77-3", b"1000-1")
    assert ms_range([]) == (b"", b"")
    assert ms_range([b"5-10", b"5-2"]) == (b"5", b"5")
    assert ms_range([b"1000-1", b"77-3", b"200-0"]) == (b"77", b"1000")
    assert in_order([b"10-1", b"9-10", b"9-2"]) == [2, 1, 0]


def test_xpending_takes_milliseconds_alone_as_a_range(board: Board) -> None:
    for entry in ("7-0", "7-18446744073709551615", "8-0"):
        board.add(entry=entry)
    board.fetch()
    rows = ask(board.raw, "XPENDING", board.keys.stream, "g", "7", "7", 10, "w1")
    assert [row[0] for row in rows] == [b"7-0", b"7-18446744073709551615"]


@pytest.mark.parametrize("transition", ["complete", "drop", "delay", "bury", "release"])
def test_one_record_of_a_wrong_type_keeps_no_other_job_from_its_end(
    board: Board, transition: str
) -> None:
    held = [board.held_again() for _ in range(3)]
    for each in held[1:2]:
        board.raw.delete(board.keys.job(each.job))
        board.raw.rpush(board.keys.job(each.job), "x")
    call = SETTLE[transition](board, held)
    words = [getattr(each, "answer", each) for each in board.run(call)]
    assert words == [Answer.OK, Answer.WRONG, Answer.OK]
    assert list(board.pending(Source.READY)) == [held[1].entry]
    board.raw.delete(board.keys.job(held[1].job))
    words = [getattr(each, "answer", each) for each in board.run(call)]
    assert words == [Answer.GONE, Answer.OK, Answer.GONE]
