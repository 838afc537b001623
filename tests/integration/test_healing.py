"""Redis goes, comes back, forgets: the worker says so once and goes on by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.accounts import Account
from tests.integration.test_consume import add
from tests.servers import EMBEDDED, ProcessServer, Server, make
from tests.waiting import wait_until
from tests.workers import Consumer, Crew, Ledger

SHORT = ("--visibility-timeout", "3s")


@pytest.fixture
def own(private_server: Server) -> Iterator[Any]:
    """A client of the private server."""
    with redis.Redis.from_url(private_server.url) as client:
        yield client


@pytest.mark.parametrize("how", ["in order", "killed"])
def test_a_restart_of_redis_is_outlived_and_said_once(
    private_server: Server, private_crew: Crew, own: Any, how: str
) -> None:
    ledger, account = private_crew.ledger, Account(own, "jobs")
    worker = private_crew.consume("jobs", *SHORT).ready()
    running = [add(own, "jobs", type="sleep", s="1") for _ in range(5)]
    hopeless = add(own, "jobs", type="hopeless", max_attempts=2, backoff="fixed:2s")
    wait_until(lambda: len(ledger.lines("start")) == 6, 5, "all run")
    wait_until(lambda: own.zcard(account.keys.delayed) == 1, 5, "one is delayed")
    if how == "killed":
        private_server.kill()
    else:
        private_server.stop()
    worker.hears("redis_away")
    private_server.start()
    worker.hears("redis_back")
    after = [add(own, "jobs", type="note") for _ in range(5)]
    wait_until(lambda: account.left() == {}, 15, "all ended")
    assert sorted(ledger.jobs("done")) == sorted([*running, *after])
    assert list(account.dead()) == [hopeless]
    assert worker.stop() == 0
    assert len(worker.said("redis_away")) == 1
    assert len(worker.said("redis_back")) == 1


def test_flushed_scripts_and_killed_connections_disturb_no_job(
    private_crew: Crew, own: Any
) -> None:
    ledger, account = private_crew.ledger, Account(own, "jobs")
    worker = private_crew.consume("jobs", *SHORT).ready()
    jobs = []
    for _ in range(5):
        own.script_flush()
        own.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        jobs.append(add(own, "jobs", type="thrice", backoff="fixed:20ms"))
        wait_until(lambda: set(ledger.jobs("done")) == set(jobs), 10, "done")
    wait_until(lambda: account.left() == {}, 10, "settled")
    assert sorted(ledger.jobs("done")) == jobs
    assert worker.stop() == 0


def test_after_a_flush_the_group_is_made_again_from_the_start(private_crew: Crew, own: Any) -> None:
    ledger = private_crew.ledger
    worker = private_crew.consume("jobs", *SHORT, "--from", "now").ready()
    lost = add(own, "jobs", type="sleep", s="0.7")
    wait_until(lambda: ledger.jobs("start") == [lost], 5, "it runs")
    with own.pipeline(transaction=True) as pipe:
        pipe.flushall()
        pipe.xadd("jobs", {"type": "note"})
        job = pipe.execute()[1].decode()
    wait_until(lambda: job in ledger.jobs("done"), 10, "what came after the flush is done")
    wait_until(lambda: Account(own, "jobs").left() == {}, 5, "settled")
    assert len(worker.said("group_created")) == 1
    state = own.hgetall(Account(own, "jobs").keys.state)
    assert state[b"visibility_ms"] == b"3000"
    assert worker.stop() == 0


def test_a_destroyed_group_is_restored_at_its_checkpoint_and_the_other_stream_goes_on(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    names = [f"{stream}-a", f"{stream}-b"]
    keeper = "keeper"  # keeps what is settled in the stream, as another group would
    done = [add(raw, names[0], type="note") for _ in range(3)]
    raw.xgroup_create(names[0], keeper, "0")
    worker = crew.consume(*names, *SHORT, "--delete-settled")
    wait_until(lambda: ledger.jobs("done") == done, 10, "done")
    account = Account(raw, names[0])
    last = done[-1].encode()
    wait_until(lambda: raw.hget(account.keys.state, "checkpoint") == last, 5, "checkpoint")
    raw.xgroup_destroy(names[0], "g")
    fresh = add(raw, names[0], type="note")
    _steadily(raw, names[1], ledger)
    wait_until(lambda: fresh in ledger.jobs("done"), 5, "done after the healing")
    assert [ledger.jobs("done").count(job) for job in done] == [1, 1, 1]
    [line] = worker.said("group_restored")
    assert line["stream"] == names[0]
    assert raw.xlen(account.keys.events) > 0
    assert b"group_restored" in b"".join(f[b"event"] for _, f in raw.xrange(account.keys.events))
    assert worker.stop() == 0


@pytest.mark.parametrize("key", ["ready", "delayed", "state", "events", "workers"])
def test_a_key_of_the_wrong_type_stops_its_own_stream_alone_until_it_is_gone(
    crew: Crew, raw: Any, stream: str, ledger: Ledger, key: str
) -> None:
    broken, sound = f"{stream}-a", f"{stream}-b"
    worker = crew.consume(broken, sound, *SHORT).ready()
    worker.hears("joined", times=2)
    name = getattr(Account(raw, broken).keys, key)
    with raw.pipeline(transaction=True) as pipe:
        pipe.delete(name)
        pipe.set(name, "text")
        pipe.execute()
    job = add(raw, broken, type="note")
    _steadily(raw, sound, ledger)
    _hears_of_trouble(worker)
    raw.delete(name)
    wait_until(lambda: job in ledger.jobs("done"), 8, "the broken one goes on")
    wait_until(lambda: Account(raw, broken).left() == {}, 8, "and settles")
    assert Account(raw, sound).left() == {}
    assert worker.stop() == 0


def _hears_of_trouble(worker: Consumer) -> None:
    wait_until(
        lambda: worker.said("stream_broken") or worker.said("redis_refuses"), 5, "it says so"
    )


def _steadily(raw: Any, stream: str, ledger: Ledger) -> None:
    """Jobs of this stream run as if nothing had happened, each within a second."""
    for _ in range(8):
        job = add(raw, stream, type="note")
        wait_until(lambda job=job: job in ledger.jobs("done"), 1.0, f"{stream} goes on")  # type: ignore[misc]


def test_a_job_that_can_not_be_settled_holds_up_no_other(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    worker = crew.consume(stream, *SHORT).ready()
    account = Account(raw, stream)
    stuck = "1700000000001-0"
    raw.set(account.keys.job(stuck.encode()), "text")
    ours = {"@job": stuck, "@attempt": 0, "@deliveries": 0, "@lost": 0, "@crashes": 0}
    raw.xadd(account.keys.ready, {**ours, "type": "note"})
    wait_until(lambda: ledger.jobs("done") == [stuck], 10, "it ran")
    retried = add(raw, stream, type="thrice", backoff="fixed:50ms")
    hopeless = add(raw, stream, type="hopeless", max_attempts=1)
    jobs = [add(raw, stream, type="note") for _ in range(20)]
    ran, only_stuck = {stuck, retried, *jobs}, {"ready": 1, "held": 1}
    wait_until(lambda: set(ledger.jobs("done")) == ran, 10, "all others ran")
    wait_until(lambda: account.left() == only_stuck, 10, "all others are settled")
    assert set(account.held()) == {stuck}
    assert list(account.dead()) == [hopeless]
    raw.delete(account.keys.job(stuck.encode()))
    wait_until(lambda: account.left() == {}, 8, "settled once it can be")
    assert ledger.jobs("done").count(stuck) == 1
    assert len(worker.said("record_unusable")) == 1
    assert worker.said("redis_refuses") == []


def test_a_job_that_can_not_be_settled_at_the_end_is_said_to_be_why(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    worker = crew.consume(stream, *SHORT).ready()
    keys = Account(raw, stream).keys
    stuck = "1700000000001-0"
    raw.set(keys.job(stuck.encode()), "text")
    ours = {"@job": stuck, "@attempt": 0, "@deliveries": 0, "@lost": 0, "@crashes": 0}
    raw.xadd(keys.ready, {**ours, "type": "note"})
    worker.hears("record_unusable")
    worker.stop()
    [said] = worker.said("unsettled")
    assert (said["jobs"], "of another type" in said["what"]) == (1, True)
    raw.delete(keys.job(stuck.encode()))


def test_a_redis_that_can_not_write_its_data_is_outlived(tmp_path: Path) -> None:
    server = make(EMBEDDED)  # a container's directory is out of reach
    assert isinstance(server, ProcessServer)
    crew = Crew(server.url, tmp_path)
    try:
        with redis.Redis.from_url(server.url) as own:
            worker = crew.consume("jobs", *SHORT).ready()
            jobs = [add(own, "jobs", type="sleep", s="1") for _ in range(20)]
            wait_until(lambda: crew.ledger.lines("start"), 10, "they run")
            server.spoil_snapshots()
            own.config_set("save", "3600 1")
            own.bgsave()
            wait_until(lambda: own.info()["rdb_last_bgsave_status"] == "err", 20, "it fails")
            with pytest.raises(redis.ResponseError, match="MISCONF"):
                own.xadd("jobs", {"type": "note"})
            wait_until(lambda: len(crew.ledger.jobs("done")) == 20, 10, "they have run")
            assert "MISCONF" in worker.hears("redis_away")[0]["error"]
            own.config_set("save", "")
            wait_until(lambda: Account(own, "jobs").left() == {}, 20, "all are settled")
            assert sorted(crew.ledger.jobs("done")) == jobs, "each once"
    finally:
        crew.close()
        server.close()
