"""prune.lua and cap.lua: how long records, cancels, events and dead letters stay."""

from __future__ import annotations

import pytest

from retraced.store import writes
from retraced.store.writes import Ruling, Source
from tests.scripts.board import Board, ask

DAY_MS = 86_400_000


def facts(board: Board, **caps: int | str) -> None:
    board.run(writes.set_facts(board.keys, caps))


def prune(board: Board) -> writes.Pruned:
    return board.run(writes.prune(board.keys))


def tidy(board: Board) -> None:
    """As the worker does it: the sweep writes the checkpoint that the pruning goes by."""
    board.run(writes.sweep(board.keys))
    prune(board)


class TestRecords:
    def test_prunes_old_and_surplus_records(self, board: Board) -> None:
        jobs = []
        for _ in range(4):
            held = board.held_again()
            board.run(board.complete(held))
            jobs.append(held.job)
        assert prune(board).records == 0
        board.raw.zadd(board.keys.finished, {jobs[0]: board.now() - 8 * 86_400_000})
        facts(board, finished_max=2)
        assert prune(board) == (2, False, b"")
        assert [bool(board.record(job)) for job in jobs] == [False, False, True, True]
        assert board.raw.zcard(board.keys.finished) == 2

    @pytest.mark.parametrize("place", ["delayed", "dead"])
    def test_keeps_the_record_of_a_job_that_came_again(self, board: Board, place: str) -> None:
        Board(board.raw, board.keys.stream_name, group="other").join()
        job = board.held().job
        board.raw.hset(board.keys.job(job), mapping={"state": "done", "e_count": 0})
        board.raw.zadd(board.keys.finished, {job: 1})
        for source in Source:
            board.raw.xgroup_destroy(board.key(source), board.keys.group_name)
        assert board.join().restored
        [again] = board.fetch()
        delay, bury = board.delay([board.move(again)]), board.bury([board.burial(again)])
        board.run(delay if place == "delayed" else bury)
        assert prune(board).records == 1
        assert board.record(job)[b"state"] == place.encode()
        assert board.places(job) == [place]
        assert board.raw.zcard(board.keys.finished) == 0

    def test_prunes_a_hundred_at_a_time(self, board: Board) -> None:
        board.raw.zadd(board.keys.finished, {f"{number}-1": number for number in range(150)})
        assert prune(board) == (100, True, b"")
        assert prune(board).records == 50

    def test_of_ended_jobs_go_by_the_caps_of_their_group(self, board: Board) -> None:
        jobs = self.ended(board, 4)
        facts(board, finished_max=3)
        assert prune(board) == (1, False, b"")
        facts(board, finished_max="", finished_age_ms=3_600_000)
        assert prune(board).records == 0
        board.raw.zadd(board.keys.finished, {jobs[1]: board.now() - 3_700_000})
        assert prune(board).records == 1
        facts(board, finished_age_ms=0)
        assert prune(board).records == 2
        assert [board.record(job) for job in jobs] == [{}] * 4

    def test_go_when_they_use_too_much_memory(self, board: Board) -> None:
        jobs = self.ended(board, 20)
        size = ask(board.raw, "MEMORY", "USAGE", board.keys.job(jobs[0]))
        facts(board, finished_bytes=size * 30)
        assert prune(board).records == 0
        facts(board, finished_bytes=size * 5)
        assert 14 <= prune(board).records <= 16
        assert board.record(jobs[0]) == {}
        assert board.record(jobs[19])

    @pytest.mark.parametrize("caps", [{"finished_age_ms": 0}, {"finished_max": 1}])
    def test_whose_key_is_of_another_type_stay_and_the_key_is_named(
        self, board: Board, caps: dict[str, int]
    ) -> None:
        wrong, *others = self.ended(board, 4)
        key = board.keys.job(wrong)
        board.raw.delete(key)
        board.raw.rpush(key, "x")
        facts(board, **caps)
        assert prune(board) == (3, False, key)
        assert board.raw.type(key) == b"list"
        assert board.raw.zrange(board.keys.finished, 0, -1) == [wrong]
        assert [board.record(job) for job in others] == [{}] * 3
        board.raw.delete(key)
        assert prune(board).wrong_key == b""

    def ended(self, board: Board, count: int) -> list[bytes]:
        held = [board.held_again() for _ in range(count)]
        board.run(board.complete(*held))
        return [each.job for each in held]


class TestCancels:
    def test_forgets_cancels_of_jobs_that_are_over(self, board: Board) -> None:
        ended, held, released, again = (
            board.held(), board.held(), board.held(), board.held_again(),
        )  # fmt: skip
        unread = board.add(entry="99999999999999-0")
        board.run(board.complete(ended))
        board.run(board.release([board.releasing(released)]))
        kept = {held.job, released.job, again.job, unread}
        board.raw.sadd(board.keys.cancelled, ended.job, *kept)
        tidy(board)
        assert board.raw.smembers(board.keys.cancelled) == kept

    def test_looks_through_ready_once_for_all_cancels(self, board: Board) -> None:
        held = [board.held() for _ in range(50)]
        board.run(board.release([board.releasing(each) for each in held]))
        gone = [f"{number}-1".encode() for number in range(1, 60)]
        board.raw.sadd(board.keys.cancelled, *gone, *(each.job for each in held))
        assert self.looks(board) <= 3
        tidy(board)  # older servers look at these in two parts
        assert board.raw.smembers(board.keys.cancelled) == {each.job for each in held}

    def test_forgets_no_cancel_while_ready_is_too_long_to_be_looked_through(
        self, board: Board
    ) -> None:
        board.run(board.complete(board.held()))
        for number in range(600):
            ask(board.raw, "XADD", board.keys.ready, "*", "@job", f"{number}-2")
        gone = [f"{number}-1".encode() for number in range(1, 90)]
        board.raw.sadd(board.keys.cancelled, *gone)
        assert self.looks(board) <= 25
        assert board.raw.scard(board.keys.cancelled) == len(gone)
        board.raw.xtrim(board.keys.ready, 400, approximate=False)
        tidy(board)
        assert board.raw.scard(board.keys.cancelled) == 0

    def test_forgets_a_cancel_of_no_job_once_all_that_waited_then_has_gone(
        self, board: Board
    ) -> None:
        first = board.held()
        board.run(board.release([board.releasing(first)]))
        self.more_in_ready(board)
        for job in (first.job, b"1-1"):
            assert self.cancel(board, job) is Ruling.UNSURE
        later = board.held()
        board.run(board.release([board.releasing(later)]))
        self.more_in_ready(board)
        tidy(board)
        assert board.raw.smembers(board.keys.cancelled) == {first.job, b"1-1"}
        entries = [entry for entry, _ in board.entries(board.keys.ready)]
        board.raw.xdel(board.keys.ready, *entries[:601])
        tidy(board)
        assert board.raw.smembers(board.keys.cancelled) == set()

    def test_forgets_no_cancel_of_one_that_waited_then(self, board: Board) -> None:
        first = board.held()
        board.run(board.release([board.releasing(first)]))
        assert self.cancel(board, first.job) is Ruling.REQUESTED
        self.more_in_ready(board)
        held = board.held()
        board.run(board.release([board.releasing(held)]))
        assert self.cancel(board, held.job) is Ruling.REQUESTED
        self.more_in_ready(board)
        entries = [entry for entry, _ in board.entries(board.keys.ready)]
        board.raw.xdel(board.keys.ready, *entries[:601])
        tidy(board)
        assert held.job in board.raw.smembers(board.keys.cancelled)

    def cancel(self, board: Board, job: bytes) -> Ruling:
        return board.run(writes.cancel(board.keys, job, by="ada")).ruling

    def more_in_ready(self, board: Board) -> None:
        """More jobs than a script looks through."""
        with board.raw.pipeline(transaction=False) as pipe:
            for number in range(600):
                pipe.xadd(board.keys.ready, {"@job": f"{number}-2"})
            pipe.execute()

    def test_looks_at_all_cancels_one_after_the_other(self, board: Board) -> None:
        board.run(board.complete(board.held()))
        waiting = [f"99999999999999-{number}" for number in range(1_000)]
        gone = [f"{number}-1" for number in range(1, 41)]
        board.raw.sadd(board.keys.cancelled, *waiting, *gone)
        for _ in range(30):
            tidy(board)
        assert board.raw.scard(board.keys.cancelled) == len(waiting)

    def looks(self, board: Board) -> int:
        """Pages that a sweep reads of streams."""
        board.raw.config_resetstat()
        tidy(board)
        stats = board.raw.info("commandstats")
        return int(stats.get("cmdstat_xrevrange", {"calls": 0})["calls"])


class TestEvents:
    def test_trims_events_by_the_memory_they_use(self, board: Board) -> None:
        for _ in range(2_000):
            ask(board.raw, "XADD", board.keys.events, "*", "event", "x", "jobs", "y" * 100)
        told = board.raw.xlen(board.keys.events)
        used = ask(board.raw, "MEMORY", "USAGE", board.keys.events)
        facts(board, events_bytes=used * 2)
        prune(board)
        assert board.raw.xlen(board.keys.events) == told + 1, "the change of the cap"
        facts(board, events_bytes=used // 4)
        prune(board)
        assert 300 <= board.raw.xlen(board.keys.events) <= 700

    def told(self, board: Board, count: int, *, age_ms: int = 0) -> None:
        now = board.now()
        with board.raw.pipeline(transaction=False) as pipe:
            for number in range(count):
                pipe.execute_command(
                    "XADD", board.keys.events, f"{now - age_ms}-{number + 9}", "event", "x"
                )
            pipe.execute()

    def test_are_kept_to_a_number(self, board: Board) -> None:
        self.told(board, 500)
        facts(board, events_max=42)
        prune(board)
        assert board.raw.xlen(board.keys.events) == 42

    def test_are_kept_for_a_time(self, board: Board) -> None:
        facts(board, events_age_ms=3_600_000)
        board.raw.delete(board.keys.events)
        self.told(board, 250, age_ms=7_200_000)
        self.told(board, 30)
        prune(board)
        assert board.raw.xlen(board.keys.events) == 30

    def test_that_are_many_go_in_bounded_steps(self, board: Board) -> None:
        self.told(board, 25_000)
        facts(board, events_max=10)
        first = prune(board)
        assert first.more
        assert 15_000 <= board.raw.xlen(board.keys.events) <= 20_001
        for _ in range(5):
            prune(board)
        assert board.raw.xlen(board.keys.events) == 10

    def test_may_be_more_than_usual_if_someone_says_so(self, board: Board) -> None:
        facts(board, events_max=100_400)
        self.told(board, 100_600)
        board.dead()
        assert 100_400 <= board.raw.xlen(board.keys.events) <= 100_500
        prune(board)
        assert board.raw.xlen(board.keys.events) == 100_400


class TestDeadLetters:
    def cap(self, board: Board) -> writes.Capped:
        return board.run(writes.cap(board.keys))

    def test_have_no_cap_unless_one_is_set(self, board: Board) -> None:
        board.dead()
        before = board.snapshot()
        assert self.cap(board) == (0, False)
        assert board.snapshot() == before

    def test_are_kept_to_a_number_the_newest(self, board: Board) -> None:
        jobs = [board.dead() for _ in range(5)]
        facts(board, dlq_max=2)
        assert self.cap(board) == (3, False)
        assert [each[b"@job"] for each in board.dead_letters()] == jobs[3:]
        assert self.cap(board) == (0, False)
        assert board.state()[b"n:capped"] == b"3"
        [event] = board.events("capped")
        assert event["jobs"] == {job.decode(): {"cap": "dlq_max"} for job in jobs[:3]}

    def test_that_go_end_their_jobs_as_purged(self, board: Board) -> None:
        job = board.dead({f"name-{number}": "v" for number in range(1_500)})
        facts(board, dlq_max=0)
        assert self.cap(board).letters == 1
        record = board.record(job)
        assert record[b"state"] == b"purged"
        assert not [name for name in record if name.startswith(b"f:")]
        assert board.story(job)[-1]["event"] == "capped"
        assert board.raw.zscore(board.keys.finished, job) is not None
        verdict = board.run(writes.requeue(board.keys, job, by="ada"))
        assert verdict == (Ruling.REFUSED, "it is purged, not dead")

    def test_are_kept_for_a_time(self, board: Board) -> None:
        long_ago = board.now() - 2 * DAY_MS
        for number in range(3):
            ask(board.raw, "XADD", board.keys.dlq, f"{long_ago}-{number}", "@job", f"{number}-1")
        job = board.dead()
        facts(board, dlq_age_ms=DAY_MS, dlq_max=100)
        assert self.cap(board).letters == 3
        assert board.places(job) == ["dead"]
        assert board.events("capped")[0]["jobs"]["0-1"] == {"cap": "dlq_age_ms"}

    def test_are_kept_to_an_amount_of_memory(self, board: Board) -> None:
        jobs = [board.dead({"payload": "x" * 3_000}) for _ in range(40)]
        used = ask(board.raw, "MEMORY", "USAGE", board.keys.dlq)
        facts(board, dlq_bytes=used * 2)
        assert self.cap(board).letters == 0
        facts(board, dlq_bytes=used // 2)
        assert 15 <= self.cap(board).letters <= 25
        assert board.places(jobs[39]) == ["dead"]
        assert board.events("capped")[0]["jobs"][jobs[0].decode()] == {"cap": "dlq_bytes"}

    def test_go_in_bounded_steps(self, board: Board) -> None:
        with board.raw.pipeline(transaction=False) as pipe:
            for number in range(1, 251):
                pipe.execute_command("XADD", board.keys.dlq, "*", "@job", f"{number}-1")
            pipe.execute()
        facts(board, dlq_max=10)
        assert [self.cap(board) for _ in range(4)] == [
            (100, True), (100, True), (40, False), (0, False),
        ]  # fmt: skip

    def test_that_are_big_go_in_smaller_steps(self, board: Board) -> None:
        for _ in range(20):
            board.dead({"payload": "x" * 300_000})
        facts(board, dlq_max=0)
        assert self.cap(board) == (10, True)

    def test_that_their_jobs_left_behind_take_no_living_job_with_them(self, board: Board) -> None:
        job, again = board.dead(), board.dead()
        copies = [fields for _, fields in board.entries(board.keys.dlq)]
        board.run(writes.requeue(board.keys, job, by="ada"))
        for fields in copies:
            ask(board.raw, "XADD", board.keys.dlq, "*", *fields)
        assert board.raw.xlen(board.keys.dlq) == 3
        facts(board, dlq_max=1)
        self.cap(board)  # the record of `again` names the first of these three
        assert board.record(job)[b"state"] == b"queued"
        assert board.places(job) == ["ready"]
        assert board.record(again)[b"state"] == b"purged"

    def test_of_a_record_of_another_type_go_without_it(self, board: Board) -> None:
        job = board.dead()
        board.raw.delete(board.keys.job(job))
        board.raw.rpush(board.keys.job(job), "x")
        ask(board.raw, "XADD", board.keys.dlq, "*", "someone", "else")
        facts(board, dlq_max=0)
        assert self.cap(board).letters == 2
        assert board.raw.type(board.keys.job(job)) == b"list"
        board.raw.delete(board.keys.job(job))


def test_a_cap_is_a_whole_number(board: Board) -> None:
    for value in (-1, "-5", "many", "1.5"):
        with pytest.raises(ValueError):
            writes.set_facts(board.keys, {"dlq_max": value})


@pytest.mark.parametrize("value", ["inf", "-1", "1e23", "nan", "many", "9" * 400])
def test_a_cap_that_someone_wrote_by_hand_and_is_none_stops_nothing(
    board: Board, value: str
) -> None:
    letter = board.dead()
    names = ("events_max", "events_bytes", "events_age_ms", "finished_max", "finished_age_ms")
    others = ("finished_bytes", "dlq_max", "dlq_bytes", "dlq_age_ms", "visibility_ms")
    board.raw.hset(board.keys.state, mapping=dict.fromkeys([*names, *others], value))
    held = board.held()
    assert board.run(board.complete(held)) == [writes.Answer.OK]
    board.run(writes.pause(board.keys, by="me", why="test"))
    tidy(board)
    board.run(writes.cap(board.keys))
    assert board.events("completed")
    assert [dead[b"@job"] for dead in board.dead_letters()] == [letter]
