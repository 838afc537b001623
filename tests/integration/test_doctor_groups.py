"""`retraced doctor` sees what is wrong with a group, after a test made it so."""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import Awaitable, Callable

import orjson
import redis

from retraced.keys import GROUPS, Keys
from retraced.store.connection import Connector
from retraced.store.writes import pause
from tests.commands import Ran, run
from tests.driver import Driver
from tests.integration.test_doctor import bad, doctor, finding, obey
from tests.waiting import wait_until
from tests.workers import Crew

HOUR_MS = 3_600_000


def drive(url: str, stream: str, work: Callable[[Driver], Awaitable[None]]) -> Keys:
    """Something done to the group `mail`, which a worker has just given a sign of life in."""

    async def through() -> Keys:
        async with Connector(url).link() as link:
            driver = Driver(link, stream)
            await driver.join()
            await driver.beat(host="h", pid=1)
            await work(driver)
            return driver.keys

    return asyncio.run(through())


async def nothing(_: Driver) -> None:
    """Only the group and its worker."""


async def two_jobs(driver: Driver) -> None:
    await driver.add("to", "ada")
    await driver.add("to", "bob")


def seen(url: str, stream: str, *arguments: str) -> Ran:
    return doctor(url, "--stream", stream, *arguments)


def test_a_driven_group_is_fine_to_begin_with(url: str, stream: str) -> None:
    drive(url, stream, two_jobs)
    assert bad(seen(url, stream)) == set()


def test_keys_of_another_type_are_named(url: str, stream: str, raw: redis.Redis) -> None:
    keys = drive(url, stream, nothing)
    raw.set(keys.dlq, "mine")
    raw.zadd(keys.delayed, {f"{'7':0>20}-{'0':0>20}": 1})
    raw.set(keys.job(b"7-0"), "mine")
    ran = seen(url, stream)
    row = finding(ran, "keys")
    assert (ran.code, row["level"]) == (1, "problem")
    assert set(row["facts"]["wrong"]) == {keys.dlq.decode(), keys.job(b"7-0").decode()}
    obey(row, raw)
    obey(row, raw, 1)
    assert finding(seen(url, stream), "keys")["level"] == "ok"
    raw.delete(*raw.keys("*.foreign"))


def test_a_state_of_another_type_doesnt_end_the_other_checks(
    url: str, stream: str, raw: redis.Redis
) -> None:
    keys = drive(url, stream, nothing)
    raw.set(keys.state, "mine")
    raw.sadd(GROUPS, f"mail:{stream}")
    ran = doctor(url)
    assert ran.code == 1
    assert finding(ran, "keys")["level"] == "problem"
    row = finding(ran, "workers")
    assert (row["level"], row["found"][:17]) == ("unknown", "it couldn't look:")
    assert finding(ran, "asks")["level"] in ("unknown", "ok")
    assert finding(ran, "version")["level"] == "ok"


def test_a_group_without_a_worker_tells_what_it_pins_and_the_command_that_ends_it(
    url: str, stream: str, raw: redis.Redis
) -> None:
    keys = drive(url, stream, two_jobs)
    raw.xgroup_create(stream, "done", "$")
    raw.xadd(stream, {"to": "x" * 1000})
    old = int(time.time() * 1000) - 2 * HOUR_MS
    raw.hset(keys.state, "tick", old)
    raw.delete(keys.workers)
    ran = seen(url, stream)
    row = finding(ran, "workers")
    assert (ran.code, row["level"]) == (1, "problem")
    assert "no worker for 2h" in row["found"]
    assert "3 entries stay in the stream for it, about" in row["found"]
    assert "; 2 of them for it alone" in row["found"]
    assert (row["facts"]["pinned_entries"], row["facts"]["pinned_alone"]) == (3, 2)
    assert row["facts"]["pinned_bytes"] > 100
    delete = shlex.split(row["commands"][1])
    assert delete == ["retraced", "groups", "delete", stream, "--group", "mail"]
    assert run(url, *delete[1:], "--yes").code == 0
    assert bad(doctor(url)) == set()


def test_a_group_that_never_had_a_worker_is_not_blamed_in_its_first_hour(
    url: str, stream: str, raw: redis.Redis
) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    assert seen(url, stream).code == 0
    raw.xadd(stream, {"to": "ada"})
    row = finding(seen(url, stream), "workers")
    assert (row["level"], "and jobs wait" in row["found"]) == ("warning", True)
    row = finding(seen(url, stream, "--absent", "1ms"), "workers")
    assert (row["level"], "no worker has worked it" in row["found"]) == ("problem", True)


def test_consumers_that_leak_are_told_with_what_deletes_them(
    url: str, stream: str, raw: redis.Redis
) -> None:
    drive(url, stream, nothing)
    for name in ("old-1", "old-2"):
        raw.xgroup_createconsumer(stream, "mail", name)
    assert finding(seen(url, stream), "consumers")["level"] == "ok"
    wait_until(
        lambda: finding(seen(url, stream, "--absent", "20ms"), "consumers")["level"] == "warning",
        5,
        "they have been idle for 20 ms",
    )
    row = finding(seen(url, stream, "--absent", "20ms"), "consumers")
    assert "2 consumers without a worker are left (old-1, old-2)" in row["found"]
    obey(row, raw)
    obey(row, raw, 1)
    assert finding(seen(url, stream, "--absent", "20ms"), "consumers")["level"] == "ok"


def test_a_crowd_of_consumers_is_a_problem_and_isnt_read(
    url: str, stream: str, raw: redis.Redis
) -> None:
    drive(url, stream, nothing)
    with raw.pipeline(transaction=False) as pipe:
        for number in range(501):
            pipe.xgroup_createconsumer(stream, "mail", f"pod-{number}")
        pipe.execute()
    row = finding(seen(url, stream), "consumers")
    assert (row["level"], "501 consumers" in row["found"]) == ("problem", True)


def test_deliveries_that_nobody_takes_over_are_a_problem(
    url: str, stream: str, raw: redis.Redis
) -> None:
    drive(url, stream, two_jobs)
    raw.xreadgroup("mail", "gone-1", {stream: ">"})
    wait_until(
        lambda: finding(seen(url, stream, "--absent", "20ms"), "consumers")["level"] == "problem",
        5,
        "it has been gone for 20 ms",
    )
    row = finding(seen(url, stream, "--absent", "20ms"), "consumers")
    assert "2 deliveries are held by consumers that have been gone" in row["found"]


def test_a_backlog_that_grows_and_one_that_is_late_are_told(
    url: str, stream: str, raw: redis.Redis
) -> None:
    keys = drive(url, stream, nothing)
    now = int(time.time() * 1000)
    raw.xadd(stream, {"to": "ada"}, id=f"{now - 600_000}-0")
    row = finding(seen(url, stream), "backlog")
    assert (row["level"], "added 10m ago" in row["found"]) == ("warning", True)
    if "entries-added" not in raw.xinfo_stream(stream):
        return  # a server before 7.0 doesn't count entries
    told = {"at": now - 300_000, "completed": 0, "entries_added": 0}
    raw.hset(keys.rates, str((now - 300_000) // 60_000), orjson.dumps(told))
    with raw.pipeline(transaction=False) as pipe:
        for _ in range(1000):
            pipe.xadd(stream, {"to": "bob"})
        pipe.execute()
    row = finding(seen(url, stream), "backlog")
    assert (row["level"], "it grows: 200 jobs a minute come" in row["found"]) == ("warning", True)
    raw.expire(keys.rates, 60)


def test_held_entries_that_someone_trimmed_are_found(
    url: str, stream: str, raw: redis.Redis
) -> None:
    async def hold(driver: Driver) -> None:
        await two_jobs(driver)
        await driver.fetch()

    drive(url, stream, hold)
    raw.xtrim(stream, maxlen=0, approximate=False)
    ran = seen(url, stream)
    row = finding(ran, "trimmed")
    assert (ran.code, row["level"]) == (1, "problem")
    assert "2 of 2 held entries have no body any more" in row["found"]


def test_entries_trimmed_before_they_were_delivered_are_found(
    url: str, stream: str, raw: redis.Redis
) -> None:
    async def take_some(driver: Driver) -> None:
        await two_jobs(driver)
        await driver.complete(*await driver.fetch())
        for _ in range(10):
            await driver.add("to", "ada")

    drive(url, stream, take_some)
    assert finding(seen(url, stream), "trimmed")["level"] == "ok"
    raw.xtrim(stream, maxlen=3, approximate=False)
    row = finding(seen(url, stream), "trimmed")
    if "entries-read" not in raw.xinfo_groups(stream)[0]:  # a server before 7.0 doesn't tell
        assert row["level"] == "ok"
        return
    assert (row["level"], "at least 7 entries were trimmed" in row["found"]) == ("warning", True)


def test_an_unread_entry_that_was_deleted_is_found(url: str, stream: str, raw: redis.Redis) -> None:
    async def delete_one(driver: Driver) -> None:
        await driver.link.call("XDEL", driver.stream, await driver.add("to", "ada"))

    drive(url, stream, delete_one)
    row = finding(seen(url, stream), "trimmed")
    if "max-deleted-entry-id" not in raw.xinfo_stream(stream):  # a server before 7.0 doesn't tell
        assert row["level"] == "ok"
        return
    assert (row["level"], "were deleted (XDEL)" in row["found"]) == ("problem", True)


def test_unhandled_types_are_named(url: str, stream: str, crew: Crew) -> None:
    crew.consume(stream).ready()
    for _ in range(3):
        run(url, "add", stream, "--type", "frobnicate")
    wait_until(lambda: finding(seen(url, stream), "unhandled")["level"] != "ok", 15, "delayed")
    ran = seen(url, stream)
    assert "frobnicate 3" in finding(ran, "unhandled")["found"]
    assert ran.code == 1


def test_dead_letters_of_unhandled_types_are_named(url: str, stream: str) -> None:
    async def bury(driver: Driver) -> None:
        await driver.add("type", "frobnicate")
        [held] = await driver.fetch()
        await driver.bury(held, reason="unhandled")

    drive(url, stream, bury)
    row = finding(seen(url, stream), "unhandled")
    assert "buried as unhandled: frobnicate 1" in row["found"]


def test_an_unhandled_type_is_what_the_groups_type_field_says(
    url: str, stream: str, raw: redis.Redis
) -> None:
    async def bury(driver: Driver) -> None:
        await driver.add("kind", "wibble", "type", "mail")
        [held] = await driver.fetch()
        await driver.bury(held, reason="unhandled")

    keys = drive(url, stream, bury)
    for field, named in (("kind", "wibble 1"), ("none", f"{stream} 1")):
        raw.hset(keys.state, "type_field", field)
        row = finding(seen(url, stream), "unhandled")
        assert f"buried as unhandled: {named}" in row["found"]


def test_a_bad_deploy_is_told_and_the_records_of_its_dead_are_weighed(
    url: str, stream: str
) -> None:
    async def bury(driver: Driver) -> None:
        for _ in range(12):
            await driver.add("to", "ada")
            [held] = await driver.fetch()
            await driver.bury(held, reason="rejected", error="RuntimeError: no such host")

    drive(url, stream, bury)
    ran = seen(url, stream)
    row = finding(ran, "deaths")
    assert (ran.code, row["level"]) == (1, "problem")
    assert "12 of the 12 jobs that ended" in row["found"]
    assert any(order.startswith("retraced pause ") for order in row["commands"])
    weight = finding(ran, "weight")["facts"]
    assert (weight["records"], weight["record_bytes"] > 12 * 100) == (12, True)


def test_jobs_that_ask_for_a_routed_group_are_told(url: str, stream: str, raw: redis.Redis) -> None:
    keys = drive(url, stream, two_jobs)
    raw.xadd(stream, {"key": "customer-7", "payload": "{}", "priority": "1"})
    row = finding(seen(url, stream), "asks")
    assert row["level"] == "warning"
    assert "of the newest 3 jobs key 1, priority 1" in row["found"]
    raw.xtrim(stream, maxlen=0)
    raw.hset(keys.state, "asked:key", 12)
    row = finding(seen(url, stream), "asks")
    assert "since it was made key 12" in row["found"]
    obey(row, raw)
    assert finding(seen(url, stream), "asks")["level"] == "ok"


def test_a_lost_group_is_found_by_its_stream_or_by_a_scan_and_put_back(
    url: str, stream: str, raw: redis.Redis
) -> None:
    drive(url, stream, nothing)
    run(url, "groups", "create", stream, "--group", "audit")
    raw.srem(GROUPS, f"audit:{stream}")
    row = finding(doctor(url), "discovery")
    assert f"{stream}/audit (by its stream)" in row["found"]
    assert raw.smembers(GROUPS) == {f"audit:{stream}".encode(), f"mail:{stream}".encode()}
    assert finding(doctor(url), "discovery")["level"] == "ok"
    raw.delete(GROUPS)
    run(url, "groups", "create", f"{stream}:{{eu}}", "--group", "mail")
    raw.delete(GROUPS)
    row = finding(doctor(url), "discovery")
    assert set(row["facts"]["lost"]) == {
        f"{stream}/mail", f"{stream}/audit", f"{stream}:{{eu}}/mail",
    }  # fmt: skip
    assert len(run(url, "groups", "list").rows) == 3


def test_names_that_stand_for_no_group_are_told(url: str, stream: str, raw: redis.Redis) -> None:
    drive(url, stream, nothing)
    raw.sadd(GROUPS, "mail:not-there", "no group at all")
    row = finding(doctor(url), "discovery")
    assert row["level"] == "warning"
    assert set(row["facts"]["stale"]) == {"mail:not-there", "no group at all"}
    obey(row, raw)
    assert finding(doctor(url), "discovery")["level"] == "ok"


def test_a_list_of_groups_of_another_type_is_a_problem(
    url: str, stream: str, raw: redis.Redis
) -> None:
    raw.set(GROUPS, "mine")
    row = finding(doctor(url), "discovery")
    assert row["level"] == "problem"
    obey(row, raw)
    assert finding(doctor(url), "discovery")["level"] == "ok"
    raw.delete(f"{GROUPS.decode()}.foreign")


def test_a_paused_group_says_by_whom_and_why(url: str, stream: str) -> None:
    async def stop(driver: Driver) -> None:
        await driver.link.run(pause(driver.keys, by="ada@h", why="the bank is closed"))

    drive(url, stream, stop)
    row = finding(seen(url, stream), "paused")
    assert row["level"] == "warning"
    assert "by ada@h: the bank is closed" in row["found"]
    assert row["commands"] == [f"retraced resume {stream} --group mail"]


def test_a_worker_whose_loop_hangs_is_told(url: str, stream: str) -> None:
    async def hang(driver: Driver) -> None:
        await driver.beat(host="h", pid=1, silent_ms=45_000)

    drive(url, stream, hang)
    row = finding(seen(url, stream), "stalled")
    assert row["level"] == "warning"
    assert re.search(r"has hung for 4[5-9]", row["found"]), row["found"]


def test_a_group_that_its_stream_has_lost_is_a_problem_and_the_command_makes_it_again(
    url: str, stream: str, raw: redis.Redis
) -> None:
    drive(url, stream, nothing)
    raw.xgroup_destroy(stream, "mail")
    ran = seen(url, stream)
    row = finding(ran, "group")
    assert (ran.code, row["level"]) == (1, "problem")
    assert run(url, *shlex.split(row["commands"][0])[1:]).code == 0
    assert finding(seen(url, stream), "group")["level"] == "ok"


def test_a_newer_protocol_is_a_problem(url: str, stream: str, raw: redis.Redis) -> None:
    keys = drive(url, stream, nothing)
    raw.hset(keys.state, "protocol", 99)
    row = finding(seen(url, stream), "group")
    assert (row["level"], "protocol 99" in row["found"]) == ("problem", True)


def test_a_wrong_name_is_exit_3_with_a_suggestion(url: str, stream: str) -> None:
    drive(url, stream, nothing)
    ran = doctor(url, "--stream", stream, "--group", "mial")
    assert (ran.code, "Did you mean mail?" in ran.err) == (3, True)
