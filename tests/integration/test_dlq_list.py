"""`retraced dlq list`: with a FILTER, by what they have in common, and never without an end."""

from __future__ import annotations

import pytest
import redis

from retraced.fingerprint import fingerprint
from retraced.keys import Keys
from tests.commands import run
from tests.integration.dead import Death, bury_all
from tests.stock import fill

pytestmark = pytest.mark.by_turns

BUSY = [Death(f"ConnectionError: line {n} is busy") for n in range(5)]
LOST = [
    Death(f"no order {n:08x} of 'u{n}'", "rejected", ("type", "charge", "payload", f"{n}"))
    for n in range(3)
]
SILENT = [Death("", "expired", ("to", "ada"))]


def listed(url: str, stream: str, *words: str) -> list[str]:
    ran = run(url, "dlq", "list", stream, "--group", "mail", *words)
    assert ran.code == 0, ran.err
    return [row["id"] for row in ran.rows]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        (["type=charge"], [7, 6, 5]),
        ([f"type={'stream'}"], [8]),
        (["error:BUSY", "AND", "error:3"], [3]),
        (["reason!=exhausted", "payload<2"], [6, 5]),
        ([f"fingerprint={fingerprint(BUSY[0].error)}"], [4, 3, 2, 1, 0]),
        (["fingerprint=none"], [8]),
        (["payload.user=42"], [4, 3, 2, 1, 0]),
        (["payload.to=ada", "age<1h", "state=dead", "attempt=1"], [8, 4, 3, 2, 1, 0]),
        (["worker=worker-1", "release=r1", "type!=send"], [8, 7, 6, 5]),
        (["release=r2"], []),
        (["age>1h"], []),
        (["died<1h", "type=charge"], [7, 6, 5]),
        (["died>1h"], []),
    ],
)
def test_a_filter_takes_what_matches(
    url: str, stream: str, words: list[str], places: list[int]
) -> None:
    jobs = bury_all(url, stream, [*BUSY, *LOST, *SILENT])
    words = [word.replace("=stream", f"={stream}") for word in words]
    assert listed(url, stream, *words) == [jobs[place] for place in places]


def test_ids_are_looked_up(url: str, stream: str) -> None:
    jobs = bury_all(url, stream, BUSY)
    assert listed(url, stream, jobs[3], "1-1", jobs[0]) == [jobs[3], jobs[0]]
    assert run(url, "dlq", "list", stream, "--group", "mail", jobs[0], "type=x").code == 2


def test_errors_that_differ_in_values_are_one_kind(url: str, stream: str) -> None:
    jobs = bury_all(url, stream, [*LOST, *BUSY, *SILENT])
    busy, lost, silent = run(url, "dlq", "list", stream, "--group", "mail", "--by", "error").rows
    assert (busy["count"], busy["template"]) == (5, "ConnectionError: line <n> is busy")
    assert (lost["count"], lost["template"]) == (3, "no order <n> of '…'")
    assert (silent["count"], silent["value"], silent["template"]) == (1, "none", None)
    assert lost["example"] == jobs[2]
    assert lost["oldest_ms"] <= lost["newest_ms"] <= busy["newest_ms"]
    assert listed(url, stream, f"fingerprint={lost['value']}") == jobs[2::-1]


def test_by_type_reason_release_and_worker(url: str, stream: str) -> None:
    bury_all(url, stream, [*LOST, *BUSY, *SILENT])
    for by, expected in (
        ("type", [("send", 5), ("charge", 3), (None, 1)]),
        ("reason", [("exhausted", 5), ("rejected", 3), ("expired", 1)]),
        ("release", [("r1", 9)]),
        ("worker", [("worker-1", 9)]),
    ):
        rows = run(url, "dlq", "list", stream, "--group", "mail", "--by", by).rows
        assert [(row["value"], row["count"]) for row in rows] == expected
    filtered = run(url, "dlq", "list", stream, "--group", "mail", "--by", "type", "error:busy")
    assert [(row["value"], row["count"]) for row in filtered.rows] == [("send", 5)]


def test_a_release_that_no_record_tells_is_counted_as_none(
    url: str, stream: str, raw: redis.Redis
) -> None:
    jobs = bury_all(url, stream, BUSY)
    raw.delete(Keys.of(stream, "mail").job(jobs[0].encode()))
    words = ("dlq", "list", stream, "--group", "mail", "--by", "release")
    assert [(row["value"], row["count"]) for row in run(url, *words).rows] == [("r1", 4), (None, 1)]
    assert "release=r1 --dry-run" in run(url, *words, form="table").err


def test_it_says_that_the_group_is_paused(url: str, stream: str) -> None:
    bury_all(url, stream, BUSY)
    words = ("dlq", "list", stream, "--group", "mail")
    assert "paused" not in run(url, *words, form="table").err
    run(url, "pause", stream, "--group", "mail", "--reason", "bad news")
    for flags in ((), ("--by", "error")):
        said = run(url, *words, *flags, form="table").err
        assert f"group mail of {stream} is paused" in said
        assert f"to go on: retraced resume {stream} --group mail" in said


def test_a_job_id_where_an_entry_is_wanted_is_told(url: str, stream: str) -> None:
    [job] = bury_all(url, stream, [Death(job="1000-0")])
    said = run(
        url, "dlq", "list", stream, "--group", "mail", "--after", f"dead:{job}", form="table"
    )
    assert "no dead letter in group mail" in said.err
    assert "the letter's entry, not its job's id" in said.err


def test_kinds_are_shown_with_the_command_that_takes_one(url: str, stream: str) -> None:
    ugly = [Death(f"\x1b[2J{'very ' * 100}long {n}\n\ttail") for n in range(3)]
    bury_all(url, stream, [*ugly, *SILENT])
    ran = run(url, "dlq", "list", stream, "--group", "mail", "--by", "error", form="table")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "\x1b" not in ran.out
    kind = fingerprint(ugly[0].error)
    assert f"{kind} 3  newest" in ran.out
    go_on = f"retraced dlq requeue {stream} --group mail fingerprint={kind} --dry-run"
    assert go_on in ran.err
    assert "3 dead letters" in run(url, *go_on.split()[1:], form="table").out.replace("of 4 ", "")


def test_a_look_that_ends_early_says_how_far_it_went_and_how_to_go_on(
    url: str, stream: str
) -> None:
    jobs = bury_all(url, stream, [*LOST, *BUSY])
    ran = run(url, "dlq", "list", stream, "--group", "mail", "type=charge", "--scan", "6")
    assert [row["id"] for row in ran.rows] == [jobs[2]]
    assert "6 dead letters were looked at" in ran.err
    after = ran.err.split("--after ")[1].split(",")[0]
    assert listed(url, stream, "type=charge", "--after", after) == jobs[1::-1]
    counted = run(url, "dlq", "list", stream, "--group", "mail", "--by", "type", "--scan", "6")
    assert sum(row["count"] for row in counted.rows) == 6
    assert "6 dead letters were looked at" in counted.err


def test_a_page_of_matches_says_where_the_next_begins(url: str, stream: str) -> None:
    jobs = bury_all(url, stream, [*BUSY, *LOST])
    words = ("dlq", "list", stream, "--group", "mail", "error:busy", "--limit", "2")
    seen: list[str] = []
    after: list[str] = []
    for _ in range(3):
        ran = run(url, *words, *after, form="table")
        seen += [line.split()[0] for line in ran.out.splitlines()[1:]]
        after = ["--after", ran.err.split("--after ")[1].strip()] if "next" in ran.err else []
    assert seen == jobs[4::-1]


def test_a_filter_that_matches_nothing_says_how_many_were_looked_at(url: str, stream: str) -> None:
    bury_all(url, stream, BUSY)
    ran = run(url, "dlq", "list", stream, "--group", "mail", "type=x")
    assert (ran.code, ran.out) == (0, "")
    assert "none of the 5" in ran.err


def test_an_unknown_field_is_exit_2_with_a_suggestion(url: str, stream: str) -> None:
    bury_all(url, stream, SILENT)
    ran = run(url, "dlq", "list", stream, "--group", "mail", "eror:busy")
    assert ran.code == 2
    assert "error" in ran.err


def test_all_ways_to_die_are_listed(url: str, stream: str, raw: redis.Redis) -> None:
    stocked = fill(url, stream, each=6)
    assert sorted(listed(url, stream)) == sorted(stocked.dead)
    rows = run(url, "dlq", "list", stream, "--group", "mail", "--by", "reason").rows
    assert {row["value"]: row["count"] for row in rows} == {
        "exhausted": 2, "rejected": 1, "invalid": 1, "expired": 1, "poison": 1,
    }  # fmt: skip


def test_large_letters_come_in_small_pages(url: str, stream: str, raw: redis.Redis) -> None:
    fields = ("type", "big", "payload", "x" * 300_000)
    jobs = bury_all(url, stream, [Death(fields=fields)] * 30)
    assert listed(url, stream, "payload:xxx", "--limit", "100") == jobs[::-1]


def test_the_type_is_in_the_field_that_the_group_reads_it_from(
    url: str, stream: str, raw: redis.Redis
) -> None:
    many = [part for n in range(1_100) for part in (f"f{n}", str(n))]
    jobs = bury_all(url, stream, [
        Death(fields=("kind", "sms", "type", "mail", "payload", "{}")),
        Death(fields=("kind", "bulk", *many)),
        Death(fields=("type", "mail", "payload", "{}")),
    ])  # fmt: skip
    expected = {
        "kind": {jobs[0]: "sms", jobs[1]: "bulk", jobs[2]: None},
        "none": dict.fromkeys(jobs),
    }
    for field, types in expected.items():
        raw.hset(Keys.of(stream, "mail").state, "type_field", field)
        rows = run(url, "dlq", "list", stream, "--group", "mail").rows
        assert {row["id"]: row["type"] for row in rows} == types
        by = run(url, "dlq", "list", stream, "--group", "mail", "--by", "type").rows
        assert {row["value"] for row in by} == set(types.values())
        [shown] = run(url, "dlq", "show", stream, jobs[1], "--group", "mail").rows
        assert shown["type"] == types[jobs[1]]
        for job, kind in types.items():
            assert job in listed(url, stream, f"type={kind or stream}")


def test_a_death_is_young_whatever_the_age_of_the_job(
    url: str, stream: str, raw: redis.Redis
) -> None:
    seconds, _ = raw.time()
    old, young = bury_all(url, stream, [Death(job=f"{(seconds - 7200) * 1000}-0"), Death()])
    assert listed(url, stream, "died<1h", "age>1h") == [old]
    assert listed(url, stream, "died<1h", "age<1h") == [young]
    found = run(url, "jobs", "list", stream, "--group", "mail", "died<1h", "age>1h").rows
    assert [row["id"] for row in found] == [old]
