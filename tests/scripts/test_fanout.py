"""Several groups on one stream: an entry goes with the last that needed it, never before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from retraced.store import writes
from retraced.store.writes import Answer, Held
from tests.scripts.board import Board

SETTLE: dict[str, Callable[[Board, list[Held]], object]] = {
    "complete": lambda board, held: board.run(board.complete(*held)),
    "drop": lambda board, held: board.run(board.drop(*held)),
    "delay": lambda board, held: board.run(board.delay([board.move(each) for each in held])),
    "bury": lambda board, held: board.run(board.bury([board.burial(each) for each in held])),
    "release": lambda board, held: board.run(
        board.release([board.releasing(each) for each in held])
    ),
}


@pytest.fixture
def groups(client: redis.Redis, stream: str) -> list[Board]:
    boards = [Board(client, stream, group=name) for name in ("a", "b", "c")]
    for board in boards:
        board.join()
    return boards


def left(board: Board) -> list[bytes]:
    return [entry for entry, _ in board.entries(board.keys.stream)]


@pytest.mark.parametrize("name", SETTLE)
def test_the_last_group_deletes_the_entry(groups: list[Board], name: str) -> None:
    ids = [groups[0].add() for _ in range(10)]
    for board in groups:
        held = board.fetch()
        assert left(board) == ids
        SETTLE[name](board, held)
    assert left(groups[0]) == []


@pytest.mark.parametrize("name", SETTLE)
def test_what_another_group_has_not_read_stays(groups: list[Board], name: str) -> None:
    first, second, third = groups
    ids = [first.add() for _ in range(6)]
    SETTLE[name](second, second.fetch(count=4))
    SETTLE[name](third, third.fetch())
    held = first.fetch()
    SETTLE[name](first, held)
    assert left(first) == ids[4:]
    SETTLE[name](second, second.fetch())
    assert left(first) == []


def test_what_another_group_holds_stays_until_it_is_settled(groups: list[Board]) -> None:
    first, second, third = groups
    ids = [first.add() for _ in range(6)]
    held = second.fetch()
    third.run(third.complete(*third.fetch()))
    second.run(second.complete(held[0], held[2]))
    first.run(first.complete(*first.fetch()))
    assert left(first) == [ids[1], ids[3], ids[4], ids[5]]
    second.run(second.complete(held[1]))
    assert left(first) == ids[3:]


def test_a_full_page_of_another_groups_pending_entries_is_exact(groups: list[Board]) -> None:
    first, second, third = groups
    ids = [first.add() for _ in range(50)]
    for board in (second, third):
        board.fetch()
    held = {each.entry: each for each in first.fetch()}
    assert len(third.pending()) == 50
    third.raw.xack(third.keys.stream, "c", *ids)
    second.raw.xack(second.keys.stream, "b", ids[45])
    # Three of ours, 40 rows of b between them: its page of 6 ends long before the second.
    settled = [held[ids[place]] for place in (0, 40, 45)]
    assert first.run(first.complete(*settled)) == [Answer.OK] * 3
    assert left(first) == [entry for entry in ids if entry != ids[45]]


def test_a_batch_at_one_millisecond_is_split_at_the_other_groups_position(
    groups: list[Board],
) -> None:
    first, second, third = groups
    for number in range(12):
        first.add(entry=f"7-{number}")
    second.run(second.complete(*second.fetch(count=10)))
    third.run(third.complete(*third.fetch()))
    first.run(first.complete(*first.fetch()))
    assert left(first) == [b"7-10", b"7-11"]


def test_ids_of_64_bits_are_compared_as_numbers(groups: list[Board]) -> None:
    first, second, third = groups
    small, large = "18446744073709551614-9", "18446744073709551614-18446744073709551613"
    ids = [first.add(entry=entry) for entry in ("9-1", "10-1", small, large)]
    second.run(second.complete(*second.fetch(count=3)))
    third.run(third.complete(*third.fetch()))
    first.run(first.complete(*first.fetch()))
    assert left(first) == ids[3:]


def test_the_copy_of_one_group_doesnt_hold_the_entry_for_others(groups: list[Board]) -> None:
    first, second, third = groups
    job = first.add()
    first.run(first.delay([first.move(first.fetch()[0])]))
    for board in (second, third):
        board.run(board.complete(*board.fetch()))
    assert left(first) == []
    assert first.places(job) == ["delayed"]


def test_dead_letters_records_and_events_are_each_groups_own(groups: list[Board]) -> None:
    first, second, _ = groups
    first.add()
    [held] = first.fetch()
    first.run(first.bury([first.burial(held)]))
    assert second.dead_letters() == []
    assert second.record(held.job) == {}
    assert [each["event"] for each in second.events()] == ["group_created"]
    assert second.run(second.complete(*second.fetch())) == [Answer.OK]


def test_a_reclaimed_burial_deletes_only_what_no_group_needs(groups: list[Board]) -> None:
    first, second, third = groups
    job = first.add()
    third.run(third.complete(*third.fetch()))
    for board in (first, second):
        assert left(first) == [job]
        board.silence(*board.fetch())
        board.ticking()
        assert board.run(board.other(b"w9").reclaim(lost_ceiling=1)).buried == 1
    assert left(first) == []


def test_a_stream_that_retains_keeps_its_entries(groups: list[Board]) -> None:
    first = groups[0]
    first.raw.hset(first.keys.settings, "retain", "7d")
    job = first.add()
    for board in groups:
        board.run(board.complete(*board.fetch()))
        board.run(writes.sweep(board.keys))
    assert left(first) == [job]
    assert first.pending() == {}
