"""renew.lua and reclaim.lua: who keeps a delivery, and who may take it over, when."""

from __future__ import annotations

import pytest

from retraced.store import writes
from retraced.store.writes import Answer, Source
from tests.scripts.board import Board, ask, named


class TestRenew:
    def test_resets_idle_times_but_not_counts(self, board: Board) -> None:
        held, again, other = board.held(), board.held_again(), board.held()
        board.silence(held, again, other)
        assert board.run(board.renew(held, again)) == [Answer.OK] * 2
        assert board.idle_ms(held) < 60_000
        assert board.idle_ms(again) < 60_000
        assert board.idle_ms(other) > 60_000
        assert board.pending()[held.entry] == (b"w1", 1)

    def test_steals_nothing_back(self, board: Board) -> None:
        held = board.held()
        board.steal(held)
        assert board.run(board.renew(held)) == [Answer.STALE]
        assert board.pending()[held.entry] == (b"w2", 2)

    def test_writes_tick_and_heartbeat_for_idle_workers_too(self, board: Board) -> None:
        assert board.run(board.renew()) == []
        now = board.now()
        assert abs(int(board.state()[b"tick"]) - now) < 5_000
        assert board.raw.zscore(board.keys.workers, "w1") == int(board.state()[b"tick"])
        beat = board.raw.hgetall(board.keys.worker(b"w1"))
        assert beat.items() >= {b"host": b"here", b"pid": b"1"}.items()
        assert 60_000 < board.raw.pttl(board.keys.worker(b"w1")) <= 90_000

    def test_reports_a_removed_entry_once_and_ends_its_record(self, board: Board) -> None:
        again = board.held_again()
        board.raw.xdel(board.keys.ready, again.entry)
        assert board.run(board.renew(again)) == [Answer.GONE]
        assert board.run(board.renew(again)) == [Answer.GONE]
        [event] = board.events("vanished")
        assert list(event["jobs"]) == [again.job.decode()]
        assert board.record(again.job)[b"state"] == b"vanished"
        assert board.raw.zscore(board.keys.finished, again.job) is not None

    def test_passes_over_what_stands_where_the_record_of_a_vanished_job_should(
        self, board: Board
    ) -> None:
        again, kept = board.held_again(), board.held_again()
        board.raw.xdel(board.keys.ready, again.entry)
        board.raw.set(board.keys.job(again.job), "mine")
        assert board.run(board.renew(again, kept)) == [Answer.GONE, Answer.OK]
        assert board.raw.get(board.keys.job(again.job)) == b"mine"
        assert list(board.pending(Source.READY)) == [kept.entry]

    def test_of_200_takes_one_look_up_and_one_claim(self, board: Board) -> None:
        for _ in range(200):
            board.add()
        held = board.fetch(count=200)
        board.page = 300
        board.raw.config_resetstat()
        assert board.run(board.renew(*held)) == [Answer.OK] * 200
        stats = board.raw.info("commandstats")
        assert stats["cmdstat_xpending"]["calls"] == stats["cmdstat_xclaim"]["calls"] == 1


class TestTheHoldOff:
    @pytest.mark.parametrize("writer", ["renew", "promote", "reclaim"])
    def test_begins_when_the_tick_is_old(self, board: Board, writer: str) -> None:
        held = board.held()
        board.silence(held)
        board.raw.hset(board.keys.state, mapping={"tick": board.now() - 16_000, "hold": 0})
        if writer != "reclaim":
            board.run(getattr(board, writer)())  # the gap is noticed by whoever comes first
        reclaimed = board.other(b"w2").run(board.other(b"w2").reclaim())
        assert 25_000 < reclaimed.hold_ms <= 30_000
        assert reclaimed.entries == []
        assert board.pending()[held.entry] == (b"w1", 1)

    @pytest.mark.parametrize("tick", ["missing", "future"])
    def test_begins_when_the_tick_is_missing_or_ahead(self, board: Board, tick: str) -> None:
        held = board.held()
        board.silence(held)
        board.ticking()
        if tick == "missing":
            board.raw.hdel(board.keys.state, "tick")
        else:
            board.raw.hset(board.keys.state, "tick", board.now() + 60_000)
        assert board.run(board.other(b"w2").reclaim()).hold_ms > 0
        assert board.pending()[held.entry] == (b"w1", 1)

    def test_doesnt_begin_while_the_tick_is_fresh(self, board: Board) -> None:
        board.raw.hset(board.keys.state, mapping={"tick": board.now() - 10_000, "hold": 0})
        board.run(board.renew())
        assert board.state()[b"hold"] == b"0"

    def test_ends_after_one_visibility_timeout(self, board: Board) -> None:
        held = board.held()
        board.silence(held)
        board.raw.hset(board.keys.state, mapping={"tick": board.now(), "hold": board.now() - 1})
        assert len(board.run(board.other(b"w2").reclaim()).entries) == 1

    def test_that_lies_too_far_ahead_is_shortened(self, board: Board) -> None:
        hold = board.now() + 10_000_000
        board.raw.hset(board.keys.state, mapping={"tick": board.now(), "hold": hold})
        assert board.run(board.reclaim()).hold_ms <= 30_000

    def test_uses_the_groups_own_visibility_timeout(self, board: Board) -> None:
        board.run(writes.set_facts(board.keys, {"visibility_ms": 4_000}))
        board.raw.hset(board.keys.state, mapping={"tick": board.now() - 2_500, "hold": 0})
        assert 3_000 < board.run(board.reclaim()).hold_ms <= 4_000


def reclaim(board: Board, **options: object) -> writes.Reclaimed:
    board.ticking()
    other = board.other(b"w2")
    return board.run(other.reclaim(**options))


class TestReclaim:
    def test_takes_over_what_is_silent_with_its_count_and_former_owner(self, board: Board) -> None:
        held, again, live = board.held(), board.held_again(attempt=2), board.held()
        board.silence(held, again)
        reclaimed = reclaim(board)
        taken = {each.entry: each for each in reclaimed.entries}
        assert set(taken) == {held.entry, again.entry}
        assert taken[held.entry][:4] == (Source.STREAM, held.entry, 2, b"w1")
        assert taken[held.entry].fields == [b"type", b"t", b"payload", b"{}"]
        assert taken[again.entry].source is Source.READY
        assert named(taken[again.entry].fields)[b"@attempt"] == b"2"
        assert board.pending() == {held.entry: (b"w2", 2), live.entry: (b"w1", 1)}
        assert not reclaimed.more

    def test_makes_a_record_with_the_counts_and_the_story(self, board: Board) -> None:
        again = board.held_again(attempt=2, deliveries=3, lost=0)
        board.silence(again)
        reclaim(board)
        record = board.record(again.job)
        expected = {b"state": b"held", b"attempt": b"2", b"deliveries": b"5", b"lost": b"1"}
        assert expected.items() <= record.items()
        story = board.story(again.job)[-1]
        assert (story["event"], story["from"], story["worker"]) == ("reclaimed", "w1", "w2")
        assert story["idle_ms"] >= 3_600_000
        assert board.state()[b"n:reclaimed"] == b"1"

    def test_makes_a_record_that_knows_the_entry_on_ready(self, board: Board) -> None:
        board.run(board.release([board.releasing(board.held())]))
        [again] = board.fetch(Source.READY)
        assert board.record(again.job) == {}
        board.silence(again)
        reclaim(board)
        assert board.record(again.job)[b"entry"] == again.entry

    def test_leaves_what_is_silent_for_less_than_the_visibility_timeout(self, board: Board) -> None:
        held = board.held()
        board.silence(held, idle_ms=29_000)
        assert reclaim(board).entries == []

    def test_takes_no_more_than_there_are_free_slots_and_goes_on_there(self, board: Board) -> None:
        held = [board.held() for _ in range(6)]
        board.silence(*held)
        first = reclaim(board, free=2)
        assert [each.entry for each in first.entries] == [each.entry for each in held[:2]]
        assert not first.more  # the caller has no slot for more
        assert reclaim(board, free=0).entries == []
        rest = reclaim(board, free=10)
        assert [each.entry for each in rest.entries] == [each.entry for each in held[2:]]

    def test_without_a_slot_leaves_the_next_sweep_to_a_caller_with_one(self, board: Board) -> None:
        held = board.held()
        board.silence(held)
        assert reclaim(board, free=0).entries == []
        third = board.other(b"w3")
        assert [each.entry for each in board.run(third.reclaim()).entries] == [held.entry]

    def test_takes_runs_between_live_rows(self, board: Board) -> None:
        held = [board.held() for _ in range(9)]
        silent = [held[place] for place in (0, 1, 4, 6, 7, 8)]
        board.silence(*silent)
        assert [each.entry for each in reclaim(board).entries] == [each.entry for each in silent]
        owners = [board.pending()[each.entry][0] for each in held]
        assert owners.count(b"w1") == 3

    def test_walks_pages_to_the_end_and_begins_again(self, board: Board) -> None:
        held = [board.held() for _ in range(5)]
        board.silence(held[0], held[4])
        first = reclaim(board, page=2)
        assert ([each.entry for each in first.entries], first.more) == ([held[0].entry], True)
        second = reclaim(board, page=2)
        assert (second.entries, second.more) == ([], True)
        third = reclaim(board, page=2)
        assert ([each.entry for each in third.entries], third.more) == ([held[4].entry], False)
        board.silence(held[1])
        assert [each.entry for each in reclaim(board, page=2).entries] == [held[1].entry]

    def test_ends_although_one_source_was_at_its_end_before_the_other(self, board: Board) -> None:
        held = [board.held() for _ in range(3)]
        again = [board.held_again() for _ in range(2)]
        assert [reclaim(board, page=2).more for _ in range(2)] == [True, False]
        board.run(board.complete(*held[:2]))
        assert [reclaim(board, page=1).more for _ in range(2)] == [True, False]
        board.silence(held[2], *again)
        pages = [reclaim(board, page=1) for _ in range(2)]
        assert [len(page.entries) for page in pages] == [2, 1]
        assert [page.more for page in pages] == [True, False]

    @pytest.mark.parametrize("source", Source)
    def test_ends_although_more_becomes_pending_than_it_looks_at(
        self, board: Board, source: Source
    ) -> None:
        def fill(count: int) -> None:
            with board.raw.pipeline(transaction=False) as pipe:
                for _ in range(count):
                    fields = ("@job", "1-1") if source is Source.READY else ("a", "b")
                    pipe.execute_command("XADD", board.key(source), "*", *fields)
                pipe.execute()
            board.fetch(source, count=count)

        fill(250)
        more = []
        for _ in range(3):
            board.ticking()
            more.append(board.run(board.reclaim()).more)
            fill(150)
        assert more == [True, True, False]
        for _ in range(7):
            board.ticking()
            more.append(board.run(board.reclaim()).more)
        assert more[3:] == [True] * 6 + [False], "the next pass sees the others"

    def test_paces_sweeps_unless_there_are_more_pages(self, board: Board) -> None:
        other = board.other(b"w2")
        board.ticking()
        assert board.run(other.reclaim(every_ms=5_000)).wait_ms == 0
        assert 4_000 < board.run(other.reclaim(every_ms=5_000)).wait_ms <= 5_000
        held = [board.held() for _ in range(3)]
        board.silence(*held)
        assert reclaim(board, page=2).more
        assert len(board.run(other.reclaim(page=2)).entries) == 1

    def test_a_pause_that_lies_too_far_ahead_is_over(self, board: Board) -> None:
        board.ticking()
        board.raw.hset(board.keys.state, "next_sweep", board.now() + 10_000_000)
        assert board.run(board.reclaim()).wait_ms == 0

    def test_doesnt_take_what_the_caller_says_it_holds(self, board: Board) -> None:
        held, lost_reply = board.held(), board.held()
        board.silence(held, lost_reply)
        board.ticking()
        [taken] = board.run(board.reclaim(holds=[held])).entries
        assert taken[:4] == (Source.STREAM, lost_reply.entry, 2, b"w1")
        assert board.pending()[held.entry] == (b"w1", 1)

    def test_hands_out_nothing_while_the_group_is_paused(self, board: Board) -> None:
        held = board.held()
        board.silence(held)
        board.run(writes.pause(board.keys, by="ada"))
        assert reclaim(board).entries == []
        board.run(writes.resume(board.keys, by="ada"))
        assert len(reclaim(board).entries) == 1

    def test_doesnt_reach_over_what_it_leaves(self, board: Board) -> None:
        held = [board.held() for _ in range(5)]
        board.silence(*held)
        board.ticking()
        taken = board.run(board.reclaim(holds=[held[1], held[2]])).entries
        assert [each.entry for each in taken] == [held[0].entry, held[3].entry, held[4].entry]
        counts = [board.pending()[each.entry][1] for each in held]
        assert counts == [2, 1, 1, 2, 2]

    def test_takes_suspects_only_for_free_child_slots(self, board: Board) -> None:
        suspects = [board.held_again(crashes=1), board.held_again(lost=1), board.held_again()]
        board.silence(*suspects)
        first = reclaim(board, free_suspects=0)
        assert [each.entry for each in first.entries] == [suspects[2].entry]
        second = reclaim(board, free_suspects=1)
        assert [each.entry for each in second.entries] == [suspects[0].entry]
        third = reclaim(board, free_suspects=1)
        assert [each.entry for each in third.entries] == [suspects[1].entry]

    def test_a_second_takeover_makes_a_suspect(self, board: Board) -> None:
        held = board.held()
        board.silence(held)
        assert len(reclaim(board, free_suspects=0).entries) == 1
        board.silence(held)
        assert reclaim(board, free_suspects=0).entries == []
        board.ticking()
        third = board.other(b"w3")
        assert board.run(third.reclaim(free_suspects=1)).entries[0].count == 3

    @pytest.mark.parametrize("source", Source)
    def test_buries_what_was_lost_too_often(self, board: Board, source: Source) -> None:
        held = board.held() if source is Source.STREAM else board.held_again(lost=9)
        if source is Source.STREAM:
            ask(
                board.raw, "XCLAIM", board.keys.stream, "g", "w1", 0, held.entry,
                "RETRYCOUNT", 10, "JUSTID",
            )  # fmt: skip
        board.silence(held)
        reclaimed = reclaim(board, free=0)
        assert (reclaimed.buried, reclaimed.entries) == (1, [])
        assert board.places(held.job) == ["dead"]
        [letter] = board.dead_letters()
        assert letter[b"@reason"] == b"lost"
        assert letter[b"@lost"] == b"10"
        assert b"lost 10 times" in letter[b"@error"]
        assert board.record(held.job)[b"state"] == b"dead"
        assert board.story(held.job)[-1]["event"] == "dead"

    def test_settles_a_cancelled_job(self, board: Board) -> None:
        held = board.held_again()
        board.run(writes.cancel(board.keys, held.job, by="ada"))
        board.silence(held)
        reclaimed = reclaim(board)
        assert (reclaimed.cancelled, reclaimed.entries) == (1, [])
        assert board.places(held.job) == []
        assert board.record(held.job)[b"state"] == b"cancelled"

    @pytest.mark.parametrize("source", Source)
    def test_reports_an_entry_that_was_removed(self, board: Board, source: Source) -> None:
        held = board.held() if source is Source.STREAM else board.held_again()
        kept = board.held() if source is Source.STREAM else board.held_again()
        board.silence(held, kept)
        board.raw.xdel(board.key(source), held.entry)
        reclaimed = reclaim(board)
        assert reclaimed.vanished == 1
        assert [each.entry for each in reclaimed.entries] == [kept.entry]
        assert held.entry not in board.pending(source)
        assert len(board.events("vanished")) == 1

    def test_takes_the_id_of_a_removed_ready_entry_for_no_jobs(self, board: Board) -> None:
        board.add(entry="7-0")
        board.run(board.delay([board.move(each, after_ms=0) for each in board.fetch()]))
        [again] = board.fetch(Source.READY)
        board.add(entry=again.entry.decode())
        [namesake] = board.fetch()
        board.run(board.delay([board.move(namesake)]))
        board.silence(again)
        board.raw.xdel(board.keys.ready, again.entry)
        assert reclaim(board).vanished == 1
        assert board.places(namesake.job) == ["delayed"]
        assert board.record(namesake.job)[b"state"] == b"delayed"
        [event] = board.events("vanished")
        assert event["jobs"] == {"": {"entry": again.entry.decode(), "from": "w1"}}

    def test_stops_at_its_bytes_but_takes_at_least_one(self, board: Board) -> None:
        held = [board.held({"payload": "x" * 1_000}) for _ in range(4)]
        board.silence(*held)
        first = reclaim(board, max_bytes=2_100)
        assert (len(first.entries), first.more) == (2, True)
        assert len(reclaim(board, max_bytes=1).entries) == 1

    def test_of_two_callers_each_job_goes_to_one(self, board: Board) -> None:
        held = [board.held() for _ in range(10)]
        board.silence(*held)
        first = reclaim(board, free=5)
        board.ticking()
        second = board.run(board.other(b"w3").reclaim(free=10))
        assert [each.entry for each in first.entries + second.entries] == [
            each.entry for each in held
        ]

    def test_carries_a_long_job_by_reference(self, board: Board) -> None:
        held = board.held_again({f"name-{number}": "v" for number in range(2_000)})
        board.silence(held)
        [taken] = reclaim(board).entries
        assert named(taken.fields)[b"@record"] == b"1"

    def test_leaves_a_delivery_alone_whose_record_isnt_one(self, board: Board) -> None:
        held = [board.held() for _ in range(3)]
        again = board.held_again()
        board.silence(*held, again)
        spoilt = board.keys.job(held[1].job)
        board.raw.set(spoilt, "mine")
        reclaimed = reclaim(board)
        taken = [each.entry for each in reclaimed.entries]
        assert sorted(taken) == sorted([held[0].entry, held[2].entry, again.entry])
        assert (reclaimed.wrong_key, reclaimed.more) == (spoilt, False)
        assert board.pending()[held[1].entry] == (b"w1", 1)
        assert board.raw.get(spoilt) == b"mine"
        board.raw.delete(spoilt)
        reclaimed = reclaim(board)
        assert [each.entry for each in reclaimed.entries] == [held[1].entry]
        assert reclaimed.wrong_key == b""
