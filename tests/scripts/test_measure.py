"""measure.lua: how long jobs wait and run, and the counters of each minute."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
import redis

from retraced.store import writes
from retraced.store.reads import rates
from retraced.worker import measures
from tests.scripts.board import Board, ask


def measure(board: Board, times: Mapping[bytes, int] | None = None) -> int:
    return board.run(writes.measure(board.keys, board.author, times or {}))


def slot(board: Board) -> bytes:
    [key] = ask(board.raw, "KEYS", board.keys.prefix + b":times:*")
    return bytes(key)


class TestTimes:
    def test_add_up_in_the_slot_of_now(self, board: Board) -> None:
        assert measure(board, {b"w:3:t": 2, b"r:9:t": 1}) == 0
        measure(board.other(b"w2"), {b"w:3:t": 5, b"w:0:\xff:x": 1})
        key = slot(board)
        assert key in {board.keys.times(board.now() // rates.SLOT_MS - back) for back in (0, 1)}
        assert board.raw.hgetall(key) == {b"w:3:t": b"7", b"r:9:t": b"1", b"w:0:\xff:x": b"1"}
        assert 8_900_000 < board.raw.pttl(key) <= 9_000_000

    def test_that_are_none_make_no_slot(self, board: Board) -> None:
        measure(board)
        assert board.raw.keys(board.keys.prefix + b":times:*") == []

    def test_are_at_most_5000_names_in_a_slot(self, board: Board) -> None:
        assert measure(board, {b"w:%d:t" % number: 1 for number in range(4_999)}) == 0
        assert measure(board, {b"w:0:t": 1, b"r:0:t": 1, b"r:1:t": 1, b"w:1:t": 1}) == 1
        key = slot(board)
        assert board.raw.hlen(key) == 5_000
        assert board.raw.hget(key, "w:1:t") == b"2"

    def test_leave_a_key_of_another_type_alone(self, board: Board) -> None:
        measure(board, {b"w:0:t": 1})
        key = slot(board)
        board.raw.delete(key)
        board.raw.rpush(key, "x")
        board.raw.pexpire(key, 60_000)
        before = board.snapshot()
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            measure(board, {b"w:0:t": 1})
        assert board.snapshot() == before


def test_the_worker_and_the_readers_have_one_name_for_the_types_beyond_the_limit() -> None:
    assert rates.OTHER == measures.OTHER


class TestRates:
    def notes(self, board: Board) -> dict[int, dict[str, int | None]]:
        found = ask(board.raw, "HGETALL", board.keys.rates)
        return {
            int(name): json.loads(value)
            for name, value in zip(found[::2], found[1::2], strict=True)
        }

    def test_note_the_counters_of_the_group(self, board: Board) -> None:
        board.dead()
        for _ in range(2):
            board.run(board.complete(board.held()))
        measure(board)
        [(minute, told)] = self.notes(board).items()
        assert abs(minute - board.now() // 60_000) <= 1
        assert (told["completed"], told["dead"]) == (2, 1)
        at = told["at"]
        assert at is not None
        assert at // 60_000 == minute
        assert "failed" not in told
        counts_entries = "entries-added" in board.raw.xinfo_stream(board.keys.stream)
        assert told["entries_added"] == (3 if counts_entries else None)
        assert board.raw.pttl(board.keys.rates) > 10_000_000

    def test_are_noted_once_a_minute_by_the_first(self, board: Board) -> None:
        now = board.now() // 60_000
        for minute in (now, now + 1):
            board.raw.hset(board.keys.rates, minute, "first")
        board.raw.pexpire(board.keys.rates, 60_000)
        measure(board)
        found = board.raw.hgetall(board.keys.rates)
        assert found[str(now).encode()] == b"first"

    def test_are_kept_for_three_hours(self, board: Board) -> None:
        now = board.now() // 60_000
        for back in range(1, 250):
            board.raw.hset(board.keys.rates, now - back, "{}")
        board.raw.hset(board.keys.rates, mapping={"odd": "{}", str(now + 99): "{}"})
        measure(board)
        kept = {int(name) for name in board.raw.hkeys(board.keys.rates)}
        assert max(kept) in (now, now + 1)
        assert min(kept) == max(kept) - 179
        assert len(kept) == 180 - (max(kept) - now)  # nobody wrote a minute that ended meanwhile

    def test_are_kept_without_a_stream(self, board: Board) -> None:
        board.raw.delete(board.keys.stream)
        measure(board)
        [told] = self.notes(board).values()
        assert told["entries_added"] is None

    @pytest.mark.parametrize("value", ["nan", "-inf", "0x10", "x", "9" * 400])
    def test_leave_out_a_counter_that_someone_wrote_by_hand(self, board: Board, value: str) -> None:
        board.dead()
        board.raw.hset(board.keys.state, "n:completed", value)
        board.raw.hset(board.keys.rates, "nan", "{}")
        measure(board)
        [told] = self.notes(board).values()
        assert told["dead"] == 1
        assert 0 <= (told.get("completed") or 0) < 2**54

    def test_go_with_their_group(self, board: Board) -> None:
        measure(board)
        while board.run(writes.disband(board.keys)).more:
            pass
        assert not board.raw.exists(board.keys.rates)
