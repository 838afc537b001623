"""How doctor judges what a server tells of itself, without a server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retraced.cli.doctor import latency, rights, server
from retraced.cli.doctor.finding import Finding, Level
from retraced.cli.doctor.persistence import persistence
from retraced.cli.words import size
from retraced.store.reads.health.server import Latency, SlowCommand

INFO = {
    "redis_version": "7.0.15",
    "redis_mode": "standalone",
    "role": "master",
    "used_memory": "1000000",
    "maxmemory": "100000000",
    "maxmemory_policy": "noeviction",
    "total_system_memory": "1000000000",
    "connected_clients": "3",
    "maxclients": "10000",
    "aof_enabled": "1",
    "rdb_last_save_time": "1795500000",
}
NOW_MS = 1_795_500_060_000
QUICK = Latency((0.2, 0.1, 0.3), skew_ms=12.0, skew_within_ms=0.1)


def only(findings: list[Finding]) -> Finding:
    [found] = findings
    return found


def test_a_good_server_is_fine_in_every_respect() -> None:
    judged = [
        *server.version(INFO),
        *server.memory(INFO),
        *server.eviction(INFO),
        *server.clients(INFO),
        *server.replication(INFO),
        *persistence(INFO, {"appendfsync": "everysec"}, NOW_MS),
        *latency.latency(QUICK),
        *latency.clock(QUICK),
    ]
    assert [each.check for each in judged if each.level is not Level.OK] == []


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ({"redis_version": "6.0.16"}, Level.PROBLEM),
        ({"redis_version": "6.2.0"}, Level.OK),
        ({"redis_version": "7.2.4", "valkey_version": "7.1.9"}, Level.PROBLEM),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, Level.OK),
        ({"redis_version": "7.4.0", "dragonfly_version": "df-v1.2"}, Level.PROBLEM),
        ({}, Level.UNKNOWN),
    ],
)
def test_versions(info: dict[str, str], level: Level) -> None:
    assert only(server.version(info)).level is level


@pytest.mark.parametrize(
    ("policy", "maxmemory", "evicted", "level"),
    [
        ("noeviction", "1000", "0", Level.OK),
        ("allkeys-lru", "0", "0", Level.PROBLEM),
        ("allkeys-lfu", "1000", "7", Level.PROBLEM),
        ("volatile-ttl", "1000", "0", Level.WARNING),
        ("volatile-ttl", "1000", "7", Level.PROBLEM),
        ("volatile-ttl", "0", "0", Level.OK),
        ("", "0", "0", Level.UNKNOWN),
    ],
)
def test_eviction(policy: str, maxmemory: str, evicted: str, level: Level) -> None:
    info = {**INFO, "maxmemory_policy": policy, "maxmemory": maxmemory, "evicted_keys": evicted}
    assert only(server.eviction(info)).level is level


@pytest.mark.parametrize(
    ("used", "maxmemory", "level"),
    [
        ("84000000", "100000000", Level.OK),
        ("86000000", "100000000", Level.WARNING),
        ("99000000", "100000000", Level.PROBLEM),
        ("900000000", "0", Level.WARNING),
        ("100", "0", Level.OK),
    ],
)
def test_memory(used: str, maxmemory: str, level: Level) -> None:
    info = {**INFO, "used_memory": used, "maxmemory": maxmemory}
    assert only(server.memory(info)).level is level


def test_persistence_that_failed_comes_before_how_it_is_set() -> None:
    failed = {**INFO, "aof_last_bgrewrite_status": "err"}
    found = only(persistence(failed, None, NOW_MS))
    assert (found.level, "rewrite of the append-only file failed" in found.found) == (
        Level.PROBLEM,
        True,
    )


def test_what_cant_be_read_of_persistence_is_unknown_unless_info_says_enough() -> None:
    assert only(persistence(INFO, None, NOW_MS)).level is Level.OK
    off = {**INFO, "aof_enabled": "0"}
    assert only(persistence(off, None, NOW_MS)).level is Level.UNKNOWN


def test_a_replica_that_is_behind_is_named() -> None:
    late = "ip=10.0.0.7,port=6379,state=online,offset=1,lag=42"
    found = only(server.replication({**INFO, "slave0": late}))
    assert (found.level, "10.0.0.7:6379" in found.found) == (Level.WARNING, True)
    good = "ip=10.0.0.7,port=6379,state=online,offset=1,lag=0"
    assert "with 1 replica" in only(server.replication({**INFO, "slave0": good})).found


def test_a_node_of_a_cluster_says_that_it_isnt_all() -> None:
    assert server.cluster(INFO) == []
    assert only(server.cluster({**INFO, "cluster_enabled": "1"})).level is Level.WARNING


@pytest.mark.parametrize(
    ("skew_ms", "level"),
    [(900, Level.OK), (-5_000, Level.WARNING), (61_000, Level.PROBLEM)],
)
def test_clocks(skew_ms: float, level: Level) -> None:
    assert only(latency.clock(replace(QUICK, skew_ms=skew_ms))).level is level


def test_a_slow_line_doesnt_count_as_skew() -> None:
    far = Latency((9_000.0,), skew_ms=5_000.0, skew_within_ms=9_000.0)
    assert only(latency.clock(far)).level is Level.OK
    assert only(latency.latency(far)).level is Level.PROBLEM


def test_slow_commands_are_told_apart_and_forgotten_after_an_hour() -> None:
    ours = SlowCommand("EVALSHA", NOW_MS - 1000, 150.0, "promote", ours=True)
    other = SlowCommand("KEYS", NOW_MS - 1000, 900.0, None, ours=False)
    found = only(latency.slow([ours, other], NOW_MS))
    assert found.level is Level.WARNING
    assert "1 of 2 slow commands were ReTraced's; the slowest: KEYS, 900 ms" in found.found
    assert "the script promote, 150 ms" in only(latency.slow([ours], NOW_MS)).found
    assert only(latency.slow([replace(other, at_ms=NOW_MS - 4_000_000)], NOW_MS)).level is Level.OK
    assert only(latency.slow([replace(other, took_ms=60.0)], NOW_MS)).level is Level.OK


@pytest.mark.parametrize(
    ("said", "right"),
    [
        ("User bob has no permissions to run the 'config|get' command", "config|get"),
        ("this user has no permissions to run the 'zadd' command", "zadd"),
        ("NOPERM This user has no permissions to run the 'slowlog' command or its subcommand",
         "slowlog"),
        ("ERR unknown command 'CONFIG'", None),
    ],
)  # fmt: skip
def test_the_missing_right_is_read_from_the_error(said: str, right: str | None) -> None:
    assert rights.right(said) == right


def test_a_missing_right_names_what_gives_it() -> None:
    said = "User bob has no permissions to run the 'config|get' command"
    found = rights.forbidden("persistence", said, "bob")
    assert found.level is Level.UNKNOWN
    assert found.commands == (("redis-cli", "ACL", "SETUSER", "bob", "+config|get"),)


def test_sizes() -> None:
    assert [size(n) for n in (7, 12_340, 5_600_000, 3 << 30)] == [
        "7 bytes", "12.1KiB", "5.3MiB", "3GiB",
    ]  # fmt: skip
