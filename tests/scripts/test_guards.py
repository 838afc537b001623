"""What holds for every script: wrong types, missing groups, missing rights, full memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from retraced.store import scripts, writes
from retraced.store.writes import Answer, Source
from tests.scripts import calls
from tests.scripts.board import Board, ask
from tests.servers import Server, make

WRITES = (
    "DEL", "HDEL", "HINCRBY", "HSET", "PEXPIRE", "SADD", "SREM", "UNLINK", "XACK", "XADD",
    "XAUTOCLAIM", "XCLAIM", "XDEL", "XGROUP", "XTRIM", "ZADD", "ZREM",
)  # fmt: skip


@pytest.fixture(scope="module")
def small(server_name: str) -> Iterator[redis.Redis]:
    """A server whose memory tests may fill."""
    server: Server = make(server_name)
    with redis.Redis.from_url(server.url, protocol=2) as client:
        yield client
    server.close()


@pytest.fixture
def limited(server: Server, client: redis.Redis) -> Iterator[redis.Redis]:
    """A user whose rights a test may narrow, by the name `limited`."""
    name = f"limited-{uuid.uuid4().hex[:6]}"
    ask(client, "ACL", "SETUSER", name, "on", ">secret", "~*", "&*", "+@all")
    with redis.Redis(port=server.port, username=name, password="secret", protocol=2) as user:
        yield user
    ask(client, "ACL", "DELUSER", name)


def test_the_table_of_calls_has_every_script() -> None:
    called = {prepared.split("_to_")[0] for prepared in calls.ALL}
    assert set(scripts.names()) - {"probe"} <= called


@pytest.mark.parametrize("name", calls.ALL)
def test_a_key_of_a_wrong_type_stops_a_script_before_it_writes(
    client: redis.Redis, stream: str, name: str
) -> None:
    for place in range(13):
        board = Board(client, f"{stream}-{place}")
        board.join()
        prepared = calls.ALL[name](board)
        keys = list(prepared.call.keys)
        if place >= len(keys) or (place >= 10 and name in calls.BY_BATCH):
            continue
        client.delete(keys[place])
        client.rpush(keys[place], "not what it should be")
        before = board.snapshot()
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            board.run(prepared.call)
        assert board.snapshot() == before, keys[place]
        client.delete(keys[place])


@pytest.mark.parametrize("name", calls.BY_BATCH)
def test_a_record_of_a_wrong_type_leaves_its_job_as_it_is(board: Board, name: str) -> None:
    prepared = calls.ALL[name](board)
    for key in prepared.call.keys[10:]:
        board.raw.delete(key)
        board.raw.rpush(key, "not what it should be")
    before = board.snapshot()
    words = board.run(prepared.call)
    expected = Answer.OK if name == "complete_first" else Answer.WRONG
    assert [getattr(word, "answer", word) for word in words] == [expected]
    if name != "complete_first":
        assert board.snapshot() == before
    board.raw.delete("-", *prepared.call.keys[10:])


@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("name", [*calls.SETTLING, "reclaim", "reap", "drained", "sweep"])
def test_a_missing_group_is_an_error_and_nothing_is_written(
    board: Board, name: str, source: Source
) -> None:
    prepared = calls.ALL[name](board)
    asks_both = name in ("renew", "reclaim", "reap", "drained")
    from_ready = name in ("complete", "drop", "delay_again", "bury_again")
    if not asks_both and from_ready != (source is Source.READY):
        return
    board.raw.xgroup_destroy(board.key(source), "g")
    before = board.snapshot()
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        board.run(prepared.call)
    assert board.snapshot() == before


@pytest.mark.parametrize("only_delayed", [False, True])
def test_a_cancel_without_its_group_is_an_error_and_nothing_is_written(
    board: Board, only_delayed: bool
) -> None:
    job = board.add()
    board.raw.xgroup_destroy(board.keys.stream, "g")
    before = board.snapshot()
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        board.run(writes.cancel(board.keys, job, by="ada", only_delayed=only_delayed))
    assert board.snapshot() == before


@pytest.mark.parametrize("name", calls.MOVING)
def test_a_user_without_a_right_loses_no_job(
    client: redis.Redis, limited: redis.Redis, stream: str, name: str
) -> None:
    user = ask(limited, "ACL", "WHOAMI")
    for command in WRITES:
        board = Board(client, f"{stream}-{command}")
        board.join()
        prepared = calls.ALL[name](board)
        alive = board.places(prepared.job)
        ask(client, "ACL", "SETUSER", user, "-@all", "+@all", f"-{command}")
        try:
            board.run(prepared.call, limited)
        except redis.ResponseError as error:
            assert "perm" in str(error).lower() or "can't run" in str(error).lower()
            assert board.places(prepared.job) or not (alive and prepared.then), command
            if "reclaim" in name:
                board.ticking()
            board.run(prepared.call)
        assert set(prepared.then) <= set(board.places(prepared.job)), command


@pytest.mark.parametrize("size", [1, 1_001], ids=["short", "long"])
def test_a_promotion_without_a_right_leaves_one_copy(
    client: redis.Redis, limited: redis.Redis, stream: str, size: int
) -> None:
    user = ask(limited, "ACL", "WHOAMI")
    for command in WRITES:
        board = Board(client, f"{stream}-{command}")
        board.join()
        job = board.delayed({f"name-{number}": "v" for number in range(size)})
        board.due_now(job)
        ask(client, "ACL", "SETUSER", user, "-@all", "+@all", f"-{command}")
        for _ in range(3):
            with suppress(redis.ResponseError):
                board.run(board.promote(), limited)
        board.run(board.promote())
        assert board.places(job) == ["ready"], command
        assert len(board.ready()) == 1, command


@pytest.mark.parametrize("name", ["requeue", "requeue_edited", "run_now", "replay"])
def test_a_person_without_a_right_makes_no_second_copy(
    client: redis.Redis, limited: redis.Redis, stream: str, name: str
) -> None:
    user = ask(limited, "ACL", "WHOAMI")
    for command in WRITES:
        board = Board(client, f"{stream}-{command}")
        board.join()
        prepared = calls.ALL[name](board)
        ask(client, "ACL", "SETUSER", user, "-@all", "+@all", f"-{command}")
        for _ in range(2):
            with suppress(redis.ResponseError):
                board.run(prepared.call, limited)
        board.run(prepared.call)
        assert len(board.ready()) == 1, command


@pytest.mark.parametrize("name", calls.ENDING)
def test_what_fails_without_a_right_is_done_by_the_next_call(
    client: redis.Redis, limited: redis.Redis, stream: str, name: str
) -> None:
    user, failed = ask(limited, "ACL", "WHOAMI"), 0
    for command in WRITES:
        board = Board(client, f"{stream}-{command}")
        board.join()
        prepared = calls.ALL[name](board)
        ask(client, "ACL", "SETUSER", user, "-@all", "+@all", f"-{command}")
        with suppress(redis.ResponseError):
            board.run(prepared.call, limited)
            continue
        failed += 1
        board.run(prepared.call)
        assert board.places(prepared.job) == list(prepared.then), command
        if not prepared.then:
            assert board.record(prepared.job)[b"state"] in (b"cancelled", b"purged"), command
    assert failed >= 3


@pytest.mark.parametrize("name", calls.ALL)
def test_a_script_goes_through_when_memory_is_full(small: redis.Redis, name: str) -> None:
    board = Board(small, f"full-{uuid.uuid4().hex[:8]}")
    board.join()
    prepared = calls.ALL[name](board)
    small.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.ResponseError, match=r"OOM|maxmemory"):
            board.add()
        board.run(prepared.call)
    finally:
        small.config_set("maxmemory", "0")
    assert tuple(board.places(prepared.job) if prepared.job else ()) == prepared.then


def test_the_trick_that_lets_a_script_write_when_memory_is_full(small: redis.Redis) -> None:
    write = "return redis.call('ZADD', KEYS[1], 1, 'member')"
    small.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.ResponseError, match=r"OOM|maxmemory"):
            small.eval(write, 1, "full")
        small.eval("redis.call('HDEL', KEYS[2], '-') " + write, 2, "full", "state")
    finally:
        small.config_set("maxmemory", "0")
    assert small.zcard("full") == 1


def test_the_probe_finds_a_missing_right_and_names_it(
    client: redis.Redis, limited: redis.Redis, board: Board
) -> None:
    from retraced.errors import Denied

    user = ask(limited, "ACL", "WHOAMI")
    board.run(writes.probe(board.keys), limited)
    for command in WRITES:
        ask(client, "ACL", "SETUSER", user, "-@all", "+@all", f"-{command}")
        with pytest.raises(Denied, match=command):
            board.run(writes.probe(board.keys), limited)
    ask(client, "ACL", "SETUSER", user, "-@all", "+@all")
    board.run(writes.probe(board.keys))
    assert not client.exists(board.keys.probe)


def test_the_probe_goes_through_when_memory_is_full(small: redis.Redis) -> None:
    board = Board(small, "full-probe")
    small.config_set("maxmemory", "1")
    try:
        board.run(writes.probe(board.keys))
    finally:
        small.config_set("maxmemory", "0")
