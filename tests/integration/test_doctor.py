"""`retraced doctor` sees each fault of a server that a test has made, and none on a healthy one."""

from __future__ import annotations

import shlex
import subprocess
import time
from typing import Any

import pytest
import redis

from tests.commands import Ran, run, understood
from tests.servers import EMBEDDED, ProcessServer, Server, make
from tests.waiting import wait_until
from tests.workers import Crew

Row = dict[str, Any]


def doctor(url: str, *arguments: str) -> Ran:
    return run(url, "doctor", *arguments)


def finding(ran: Ran, check: str) -> Row:
    """What one check found; the commands of retraced that it gives are such as can be run."""
    for row in ran.rows:
        for words in map(shlex.split, row["commands"]):
            if words[0] == "retraced" and "--help" not in words:
                understood(words[1:])
    rows = [row for row in ran.rows if row["id"] == check]
    assert rows, f"no {check} in {ran.out}"
    return rows[0]


def bad(ran: Ran) -> set[str]:
    """The checks that found something; that the shared server was flushed by a test is no news."""
    return {row["id"] for row in ran.rows if row["level"] != "ok"} - {"flushed"}


def obey(row: Row, client: redis.Redis, number: int = 0) -> None:
    """Runs a redis-cli command that a finding gives."""
    words = shlex.split(row["commands"][number])
    assert words[:2] == ["redis-cli", "-h"], words
    client.execute_command(*words[5:])


@pytest.fixture
def mine(private_server: Server) -> redis.Redis:
    return redis.Redis.from_url(private_server.url)


def test_a_healthy_server_at_work_is_exit_0_even_if_strict(
    url: str, stream: str, crew: Crew, raw: redis.Redis
) -> None:
    raw.config_resetstat()  # tests clear the server with FLUSHDB
    crew.consume(stream).ready()
    for _ in range(20):
        run(url, "add", stream, "--type", "note")
    run(url, "add", stream, "--type", "hopeless", "max_attempts=1")
    wait_until(lambda: run(url, "groups", "list", stream).rows[0]["dead"] == 1, 20, "all ended")
    ran = doctor(url, "--strict")
    assert (ran.code, bad(ran)) == (0, set()), ran.out
    names = {row["id"] for row in ran.rows}
    assert {"version", "eviction", "persistence", "clock", "slow", "discovery"} <= names
    assert {"rights", "keys", "workers", "consumers", "trimmed", "unhandled", "weight"} <= names


def test_a_server_without_groups_is_fine(url: str, stream: str, raw: redis.Redis) -> None:
    raw.config_resetstat()
    ran = doctor(url)
    assert (ran.code, bad(ran)) == (0, set())


def test_an_evicting_policy_is_a_problem_and_its_command_ends_it(
    private_server: Server, mine: redis.Redis
) -> None:
    mine.config_set("maxmemory-policy", "allkeys-lru")
    ran = doctor(private_server.url)
    row = finding(ran, "eviction")
    assert (ran.code, row["level"]) == (1, "problem")
    assert "allkeys-lru" in row["found"]
    obey(row, mine)
    assert doctor(private_server.url).code == 0


def test_a_volatile_policy_is_a_warning_that_strict_counts(
    private_server: Server, mine: redis.Redis
) -> None:
    mine.config_set("maxmemory", "1gb")
    mine.config_set("maxmemory-policy", "volatile-lru")
    ran = doctor(private_server.url)
    assert (ran.code, finding(ran, "eviction")["level"]) == (0, "warning")
    assert doctor(private_server.url, "--strict").code == 1


def test_a_full_server_is_a_problem(private_server: Server, mine: redis.Redis) -> None:
    run(private_server.url, "groups", "create", "emails", "--group", "mail")
    mine.config_set("maxmemory", int(mine.info()["used_memory"]))
    ran = doctor(private_server.url)
    assert (ran.code, finding(ran, "memory")["level"]) == (1, "problem")
    assert finding(ran, "rights")["level"] == "ok"


def test_what_a_restart_would_lose_is_told(private_server: Server, mine: redis.Redis) -> None:
    mine.config_set("appendfsync", "no")
    row = finding(doctor(private_server.url), "persistence")
    assert (row["level"], "appendfsync is no" in row["found"]) == ("warning", True)
    mine.config_set("appendonly", "no")
    row = finding(doctor(private_server.url), "persistence")
    assert (row["level"], "loses all jobs" in row["found"]) == ("warning", True)
    mine.config_set("save", "3600 1")
    row = finding(doctor(private_server.url), "persistence")
    assert "only snapshots are made (save 3600 1" in row["found"]
    obey(row, mine)
    mine.config_set("appendfsync", "everysec")
    assert finding(doctor(private_server.url), "persistence")["level"] == "ok"


def test_a_snapshot_that_failed_is_a_problem() -> None:
    server = make(EMBEDDED)  # a container's directory is out of reach
    assert isinstance(server, ProcessServer)
    try:
        server.spoil_snapshots()
        with redis.Redis.from_url(server.url) as client:
            client.bgsave()
            wait_until(lambda: client.info()["rdb_last_bgsave_status"] == "err", 20, "it fails")
        row = finding(doctor(server.url), "persistence")
    finally:
        server.close()
    assert (row["level"], "the last snapshot failed" in row["found"]) == ("problem", True)


def test_a_replica_is_a_problem_that_names_the_primary(
    private_server: Server, mine: redis.Redis
) -> None:
    run(private_server.url, "groups", "create", "emails", "--group", "mail")
    mine.execute_command("REPLICAOF", "127.0.0.1", "1")
    ran = doctor(private_server.url)
    row = finding(ran, "replication")
    assert (ran.code, row["level"]) == (1, "problem")
    assert row["commands"] == ["retraced --url redis://127.0.0.1:1 doctor"]
    assert finding(ran, "rights")["level"] == "unknown"


BUSY = "local sum = 0 for i = 1, 40000000 do sum = sum + i end return sum"


def test_a_command_that_holds_everybody_up_is_named(
    private_server: Server, mine: redis.Redis
) -> None:
    mine.execute_command("EVAL", BUSY, 0)
    row = finding(doctor(private_server.url), "slow")
    assert (row["level"], "EVAL" in row["found"]) == ("warning", True)
    assert row["facts"]["ours"] == []


MANAGED = ("~*", "&*", "+@all", "-config", "-slowlog", "-memory", "-scan", "-acl|whoami")


def test_where_a_provider_forbids_much_it_is_unknown_and_the_right_named(
    private_server: Server, mine: redis.Redis
) -> None:
    run(private_server.url, "groups", "create", "emails", "--group", "mail")
    mine.xadd("emails", {"to": "ada"})
    mine.execute_command("ACL", "SETUSER", "tenant", "on", ">pw", *_known_rules(mine))
    ran = doctor(private_server.url.replace("redis://", "redis://tenant:pw@"))
    assert ran.code == 0, ran.out
    assert finding(ran, "persistence")["level"] == "ok"
    for check, right in (("slow", "slowlog"), ("weight", "memory"), ("discovery", "scan")):
        row = finding(ran, check)
        assert row["level"] == "unknown", row
        assert f"+{right}" in row["commands"][0], row
    assert finding(ran, "workers")["group"] == "mail"
    assert "CONFIG GET" in finding(ran, "reading")["found"]
    orders = [command for row in ran.rows for command in row["commands"]]
    assert [order for order in orders if "ACL SETUSER tenant " not in order] == []
    assert "pw@" not in ran.out


def _known_rules(client: redis.Redis) -> list[str]:
    """Servers before 7.0 can't take a subcommand away."""
    old = int(str(client.info()["redis_version"]).split(".")[0]) < 7
    return [rule for rule in MANAGED if not (old and "|" in rule)]


def test_a_user_who_may_not_write_all_is_told_so(private_server: Server, mine: redis.Redis) -> None:
    run(private_server.url, "groups", "create", "emails", "--group", "mail")
    rules = ("~*", "&*", "+@all", "-zadd")
    mine.execute_command("ACL", "SETUSER", "tenant", "on", ">pw", *rules)
    ran = doctor(private_server.url.replace("redis://", "redis://tenant:pw@"))
    row = finding(ran, "rights")
    assert (ran.code, row["level"]) == (1, "problem")
    assert "zadd" in row["found"].lower()


def test_without_time_info_and_xinfo_it_goes_on_and_names_them(
    private_server: Server, mine: redis.Redis
) -> None:
    run(private_server.url, "groups", "create", "emails", "--group", "mail")
    rules = ("~*", "&*", "+@all", "-time", "-info", "-xinfo")
    mine.execute_command("ACL", "SETUSER", "tenant", "on", ">pw", *rules)
    url = private_server.url.replace("redis://", "redis://tenant:pw@")
    for where in ((), ("--stream", "emails", "--group", "mail")):
        ran = doctor(url, *where)
        for check, right in (("version", "INFO"), ("latency", "TIME"), ("consumers", "XINFO")):
            row = finding(ran, check)
            assert (row["level"], right in row["found"]) == ("unknown", True), row
        assert finding(ran, "keys")["level"] == "ok"
        assert "TIME" in finding(ran, "reading")["found"]
    table = run(url, "doctor", form="table").out
    assert table.count("emails/mail this user may not run TIME") == 1
    assert "unknown  group, paused, workers, " in table


def test_a_flush_is_a_warning_until_its_count_is_set_back(
    private_server: Server, mine: redis.Redis
) -> None:
    mine.config_resetstat()
    assert finding(doctor(private_server.url), "flushed")["level"] == "ok"
    mine.flushall()
    ran = doctor(private_server.url)
    row = finding(ran, "flushed")
    assert (ran.code, row["level"], row["facts"]) == (0, "warning", {"flushall": 1})
    assert "FLUSHALL 1 time:" in row["found"]
    obey(row, mine, 2)
    assert finding(doctor(private_server.url), "flushed")["level"] == "ok"


def test_all_that_a_worker_lacks_is_told_at_once_and_its_command_gives_it(
    private_server: Server, mine: redis.Redis
) -> None:
    run(private_server.url, "groups", "create", "emails", "--group", "mail")
    rules = ("~*", "&*", "+@all", "-evalsha", "-zadd", "-hget", "-sadd")
    mine.execute_command("ACL", "SETUSER", "tenant", "on", ">pw", *rules)
    url = private_server.url.replace("redis://", "redis://tenant:pw@")
    row = finding(doctor(url), "rights")
    assert row["facts"]["lacking"] == ["+evalsha", "+hget", "+zadd", "+sadd"]
    obey(row, mine)
    assert finding(doctor(url), "rights")["level"] == "ok"
    assert mine.exists("retraced:{emails}:mail:probe") == 0


def test_keys_that_a_worker_may_not_reach_are_told(
    private_server: Server, mine: redis.Redis
) -> None:
    mine.execute_command("ACL", "SETUSER", "tenant", "on", ">pw", "~other", "&*", "+@all")
    url = private_server.url.replace("redis://", "redis://tenant:pw@")
    row = finding(doctor(url, "--stream", "emails", "--group", "mail"), "rights")
    assert row["facts"]["lacking"] == ["~emails", "~retraced:*"]


def test_it_cant_reach_the_server_is_exit_4() -> None:
    assert doctor("redis://127.0.0.1:1").code == 4


def test_in_a_table_the_worst_comes_first_with_its_command(
    private_server: Server, mine: redis.Redis
) -> None:
    mine.config_set("maxmemory-policy", "allkeys-lru")
    lines = run(private_server.url, "doctor", form="table").out.splitlines()
    assert lines[0].startswith("problem  eviction: maxmemory-policy is allkeys-lru")
    port = private_server.port
    fix = f"           redis-cli -h 127.0.0.1 -p {port} CONFIG SET maxmemory-policy noeviction"
    assert fix in lines
    assert lines[-1].startswith("1 problem, ")
    assert all(len(line) <= 80 for line in lines if "redis-cli" not in line)


@pytest.mark.parametrize(
    "member",
    [b"g:evil\x1b]0;PWN\x07\n", b"g:\xff\xe2\x80\xaeit's \\ \t\xc3\xa9", b"g:" + b"x" * 300],
)
def test_what_someone_wrote_is_harmless_on_a_terminal_and_its_command_works(
    private_server: Server, mine: redis.Redis, member: bytes
) -> None:
    mine.sadd("retraced:groups", member)
    told = run(private_server.url, "doctor", form="table").out
    assert all(char.isprintable() for char in told.replace("\n", ""))
    command = next(line for line in told.splitlines() if "redis-cli" in line)
    subprocess.run(["bash", "-c", command], check=True, capture_output=True, timeout=20)
    assert not mine.exists("retraced:groups")


def test_a_name_nobody_could_read_is_cut(private_server: Server, mine: redis.Redis) -> None:
    mine.sadd("retraced:groups", "g:" + "x" * 5000)
    told = run(private_server.url, "doctor", form="table").out
    assert "g:xxxx" in told
    assert max(map(len, told.splitlines())) <= 90
    assert "x" * 5000 in finding(doctor(private_server.url), "discovery")["commands"][0]


def test_how_long_it_takes_is_bounded(url: str, stream: str) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    began = time.monotonic()
    doctor(url)
    assert time.monotonic() - began < 5
