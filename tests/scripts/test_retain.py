"""Retention: who may ask for how much, and what the sweep trims of it."""

from __future__ import annotations

import pytest

from retraced.retention import Retention
from retraced.store import writes
from tests.scripts.board import Board, ask, named


def kept(board: Board) -> dict[str, str]:
    found = named(ask(board.raw, "HGETALL", board.keys.settings))
    return {name.decode(): value.decode() for name, value in found.items()}


class TestAsking:
    @pytest.mark.parametrize(
        ("spec", "told", "for_ms", "count"),
        [
            ("7d", "7d", "604800000", ""), ("90m", "90m", "5400000", ""), ("5", "5", "", "5"),
            ("1500ms", "1500ms", "1500", ""), ("all", "all", "", ""),
        ],
    )  # fmt: skip
    def test_sets_what_is_kept(
        self, board: Board, spec: str, told: str, for_ms: str, count: str
    ) -> None:
        assert board.run(writes.retain(board.keys, Retention.parse(spec))) == told
        settings = kept(board)
        assert abs(int(settings.pop("retain_at")) - board.now()) < 5_000
        assert settings == {"retain": told, "retain_ms": for_ms, "retain_count": count}

    def test_again_replaces_it_and_none_ends_it(self, board: Board) -> None:
        board.retain("7d")
        since = kept(board)["retain_at"]
        board.retain("1h")
        assert kept(board)["retain"] == "1h"
        assert kept(board)["retain_at"] == since
        assert board.run(writes.retain(board.keys, None)) == ""
        assert kept(board) == {}

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            (["7d"], "7d"),
            (["7d", "1h"], "7d"),
            (["1h", "7d"], "7d"),
            (["10", "100", "20"], "100"),
            (["100", "1h", "2h"], "2h,100"),
            (["all", "7d", "100"], "all"),
            (["7d", "100", "all"], "all"),
        ],
    )
    def test_by_several_workers_keeps_the_longest(
        self, board: Board, asked: list[str], told: str
    ) -> None:
        other = Board(board.raw, board.keys.stream_name, group="other")
        for place, spec in enumerate(asked):
            (board, other)[place % 2].join(retain=Retention.parse(spec))
        assert kept(board)["retain"] == told
        board.join()
        assert kept(board)["retain"] == told

    def test_for_what_is_kept_already_writes_nothing(self, board: Board) -> None:
        board.join(retain=Retention.parse("7d"))
        before = board.snapshot()
        board.join(retain=Retention.parse("1d"))
        assert board.snapshot() == before
