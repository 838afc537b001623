"""sweep.lua: the checkpoint, and what leaves the stream because nobody needs or retains it."""

from __future__ import annotations

import pytest

from retraced.retention import Retention
from retraced.store import writes
from tests.scripts.board import Board, ask

HOUR_MS = 3_600_000


def sweep(board: Board) -> writes.Swept:
    return board.run(writes.sweep(board.keys))


def left(board: Board) -> list[bytes]:
    return [entry for entry, _ in board.entries(board.keys.stream)]


def sweep_all(board: Board) -> int:
    """Entries trimmed until there is no more."""
    trimmed = 0
    for _ in range(50):
        swept = sweep(board)
        trimmed += swept.trimmed
        if not swept.more:
            return trimmed
    raise AssertionError("it doesn't come to an end")


class TestSweep:
    def test_writes_the_checkpoint_right_before_the_first_pending(self, board: Board) -> None:
        for entry in ("7-0", "9-5", "10-0"):
            board.add(entry=entry)
        held = board.fetch()
        swept = board.run(writes.sweep(board.keys))
        assert swept.checkpoint == b"6-18446744073709551615"
        board.run(board.complete(held[0]))
        assert board.run(writes.sweep(board.keys)).checkpoint == b"9-4"
        board.run(board.complete(*held[1:]))
        assert board.run(writes.sweep(board.keys)).checkpoint == b"10-0"
        assert board.state()[b"checkpoint"] == b"10-0"

    def test_of_an_untouched_group_is_zero(self, board: Board) -> None:
        assert board.run(writes.sweep(board.keys)).checkpoint == b"0-0"

    def test_trims_what_a_destroyed_group_left_behind(self, board: Board) -> None:
        other = Board(board.raw, board.keys.stream_name, group="other")
        other.join()
        jobs = [board.add() for _ in range(5)]
        other.fetch(count=2)
        board.run(board.complete(*board.fetch(count=4)))
        assert len(board.entries(board.keys.stream)) == 5
        assert board.run(writes.sweep(board.keys)).trimmed == 0
        board.raw.xgroup_destroy(board.keys.stream, "other")
        assert board.run(writes.sweep(board.keys)).trimmed == 4
        assert [entry for entry, _ in board.entries(board.keys.stream)] == jobs[4:]
        board.run(board.complete(*board.fetch()))
        assert board.entries(board.keys.stream) == []

    def test_trims_nothing_that_is_unread_or_pending_anywhere(self, board: Board) -> None:
        other = Board(board.raw, board.keys.stream_name, group="other")
        other.join()
        jobs = [board.add() for _ in range(4)]
        held = other.fetch()
        other.run(other.complete(held[0]))
        board.run(board.complete(*board.fetch()))
        for sweeping in (board, other):
            sweeping.run(writes.sweep(sweeping.keys))
            assert [entry for entry, _ in board.entries(board.keys.stream)] == jobs[1:]
        other.run(other.complete(*held[1:]))
        jobs = [board.add() for _ in range(4)]
        board.fetch()
        other.run(other.complete(*other.fetch()))
        for sweeping in (board, other):
            sweeping.run(writes.sweep(sweeping.keys))
            assert [entry for entry, _ in board.entries(board.keys.stream)] == jobs

    def test_names_workers_whose_heartbeat_has_expired(self, board: Board) -> None:
        board.run(board.renew())
        board.run(board.other(b"w2").renew())
        long_ago = board.now() - 1_000_000
        board.raw.zadd(board.keys.workers, {"w1": long_ago, "w2": long_ago})
        board.raw.delete(board.keys.worker(b"w1"))
        assert board.run(writes.sweep(board.keys)).expired == [b"w1"]


class TestRetained:
    """A stream that retains; entries have the ids of `hours` ago."""

    def add(self, board: Board, hours: list[int]) -> list[bytes]:
        now = board.now()
        return [board.add(entry=f"{now - each * HOUR_MS}-0") for each in hours]

    def settled(self, board: Board, hours: list[int]) -> list[bytes]:
        jobs = self.add(board, hours)
        board.run(board.complete(*board.fetch()))
        return jobs

    def test_entries_go_when_they_are_too_old(self, board: Board) -> None:
        board.retain("4h")
        jobs = self.settled(board, [9, 5, 3, 1])
        assert sweep(board).trimmed == 2
        assert left(board) == jobs[2:]
        assert sweep(board).trimmed == 0

    def test_entries_go_when_they_are_too_many(self, board: Board) -> None:
        board.retain("3")
        jobs = self.settled(board, [9, 8, 7, 6, 5])
        assert sweep(board).trimmed == 2
        assert left(board) == jobs[2:]
        assert sweep(board).trimmed == 0

    def test_entries_go_only_when_they_are_too_old_and_too_many(self, board: Board) -> None:
        other = Board(board.raw, board.keys.stream_name, group="other")
        board.retain("4h")
        other.join(retain=Retention.parse("3"))
        jobs = self.add(board, [9, 8, 7, 6, 1])
        for each in (board, other):
            each.run(each.complete(*each.fetch()))
        sweep(board)
        assert left(board) == jobs[2:]
        jobs += self.add(board, [0])
        board.retain("4h")
        board.join(retain=Retention.parse("1"))
        for each in (board, other):
            each.run(each.complete(*each.fetch()))
        sweep(board)
        assert left(board) == jobs[4:], "young ones stay though they are too many"

    def test_entries_of_all_time_stay(self, board: Board) -> None:
        board.retain("all")
        jobs = self.settled(board, [90_000, 1])
        assert sweep(board).trimmed == 0
        assert left(board) == jobs

    def test_entries_stay_where_someone_wrote_only_the_text(self, board: Board) -> None:
        board.raw.hset(board.keys.settings, "retain", "7d")
        jobs = self.settled(board, [90_000, 1])
        assert sweep(board).trimmed == 0
        assert left(board) == jobs

    @pytest.mark.parametrize("spec", ["1h", "1"])
    @pytest.mark.parametrize("manner", ["unread", "pending"])
    def test_entries_that_a_group_still_needs_stay(
        self, board: Board, spec: str, manner: str
    ) -> None:
        other = Board(board.raw, board.keys.stream_name, group="other")
        other.join()
        board.retain(spec)
        jobs = self.settled(board, [9, 8, 7, 6])
        held = other.fetch(count=2)
        if manner == "pending":
            held += other.fetch()
            other.run(other.complete(held[0], held[1], held[3]))
        else:
            other.run(other.complete(*held))
        for each in (board, other):
            sweep(each)
            assert left(board) == jobs[2:]
        if manner == "pending":
            other.run(other.complete(held[2]))
        else:
            other.run(other.complete(*other.fetch()))
        sweep_all(board)
        assert left(board) == (jobs[3:] if spec == "1" else [])

    def test_entries_go_once_nothing_is_retained(self, board: Board) -> None:
        board.retain("all")
        self.settled(board, [2, 1])
        board.run(writes.retain(board.keys, None))
        assert sweep(board).trimmed == 2

    def test_surplus_goes_in_bounded_steps(self, board: Board) -> None:
        board.retain("10")
        for number in range(1, 1_211):
            ask(board.raw, "XADD", board.keys.stream, f"{number}-0", "a", "b")
        ask(board.raw, "XGROUP", "SETID", board.keys.stream, "g", "$")
        first = sweep(board)
        assert (first.trimmed, first.more) == (500, True)
        assert sweep_all(board) == 700
        assert left(board) == [b"%d-0" % number for number in range(1_201, 1_211)]

    def test_surplus_of_big_entries_goes_in_smaller_steps(self, board: Board) -> None:
        board.retain("10")
        for number in range(1, 81):
            ask(board.raw, "XADD", board.keys.stream, f"{number}-0", "a", "b" * 100_000)
        ask(board.raw, "XGROUP", "SETID", board.keys.stream, "g", "$")
        first = sweep(board)
        assert first.more
        assert first.trimmed == 20
        assert sweep_all(board) == 50


def test_a_long_stream_is_trimmed_in_bounded_steps(board: Board) -> None:
    with board.raw.pipeline(transaction=False) as pipe:
        for number in range(1, 25_011):
            pipe.execute_command("XADD", board.keys.stream, f"{number}-0", "a", "b")
        pipe.execute()
    ask(board.raw, "XGROUP", "SETID", board.keys.stream, "g", "25007-0")
    first = sweep(board)
    assert 5_000 <= first.trimmed <= 10_000
    assert first.more
    assert first.trimmed + sweep_all(board) == 25_007
    assert left(board) == [b"25008-0", b"25009-0", b"25010-0"]
