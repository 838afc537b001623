"""How doctor judges a group, and how findings are shown, without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from retraced.cli.doctor import dead, groups, jobs, show
from retraced.cli.doctor.command import fails
from retraced.cli.doctor.finding import Finding, Level, cli, ok, ours, problem, unknown, warning
from retraced.keys import Keys
from retraced.store.reads.backlog import Count
from retraced.store.reads.counts import GroupCounts
from retraced.store.reads.groupstate import GroupState
from retraced.store.reads.health.discovery import keys_of_state
from retraced.store.reads.health.group import Pinned, Standing
from retraced.store.reads.health.samples import Vanished
from retraced.store.reads.health.weight import Weight
from retraced.store.reads.rates import Rate, Rates

NOW_MS = 1_795_500_000_000
HOUR_MS = 3_600_000
KEYS = Keys.of("emails", "mail")
NAMED: dict[str, Any] = {"stream": "emails", "group": "mail"}
WELL = Standing(
    now_ms=NOW_MS,
    exists=True,
    entries=0,
    position=b"5-0",
    low=b"5-1",
    others_low=None,
    last_id=b"5-0",
    oldest_at_ms=None,
    never_given=0,
    max_deleted=b"0-0",
    counts=GroupCounts(),
    alive=1,
    last_sign_at_ms=NOW_MS - 500,
    state=GroupState({"protocol": "1"}),
)
ALONE = replace(WELL, alive=0, last_sign_at_ms=NOW_MS - 2 * HOUR_MS)
NOTHING_GONE = Vanished(last_ms=None, jobs=(), looked_at=0, missing=())
URL = "redis://ada:secret@10.0.0.7:6380/2"


def only(findings: list[Finding]) -> Finding:
    [found] = findings
    return found


def rates(*, added: float, completed: float) -> Rates:
    five = Rate(300_000, added, completed, failed=0, dead=0, reclaimed=0)
    return Rates(minute=None, five=five, hour=None, totals={})


def test_a_group_nobody_works_is_a_problem_only_if_something_stays_for_it() -> None:
    pins = Pinned(Count(12_000, exact=False), Count(7), 5_000_000)
    found = only(groups.workers(ALONE, pins, **NAMED))
    assert found.level is Level.PROBLEM
    assert "no worker for 2h; 12,000+ entries stay in the stream for it, about 4.8MiB; 7 of" in (
        found.found
    )
    assert (
        only(groups.workers(ALONE, Pinned(Count(0), Count(0), 0), **NAMED)).level is Level.WARNING
    )
    held = replace(ALONE, counts=GroupCounts(delayed=3))
    assert only(groups.workers(held, Pinned(Count(0), Count(0), 0), **NAMED)).level is Level.PROBLEM


def test_a_short_absence_is_told_only_while_jobs_wait() -> None:
    short = replace(ALONE, last_sign_at_ms=NOW_MS - 60_000)
    assert only(groups.workers(short, Pinned(Count(0), Count(0), 0), **NAMED)).level is Level.OK
    assert (
        only(groups.workers(short, Pinned(Count(2), Count(2), 9), **NAMED)).level is Level.WARNING
    )


def test_a_group_of_unknown_age_counts_as_old() -> None:
    nobody = replace(ALONE, last_sign_at_ms=None)
    assert (
        only(groups.workers(nobody, Pinned(Count(2), Count(2), 9), **NAMED)).level is Level.PROBLEM
    )


@pytest.mark.parametrize(
    ("added", "completed", "waiting_ms", "level"),
    [
        (1000, 100, 30_000, Level.WARNING),
        (1000, 990, 30_000, Level.OK),
        (1000, 100, None, Level.OK),
        (10, 0, 30_000, Level.OK),
        (0, 0, 400_000, Level.WARNING),
    ],
)
def test_backlogs(added: float, completed: float, waiting_ms: int | None, level: Level) -> None:
    oldest = None if waiting_ms is None else NOW_MS - waiting_ms
    facts = replace(WELL, oldest_at_ms=oldest)
    seen = rates(added=added, completed=completed)
    assert only(groups.backlog(facts, seen, **NAMED)).level is level


def test_a_gap_in_the_count_of_entries_is_told_only_while_more_is_to_be_read() -> None:
    history = replace(WELL, never_given=7)
    assert only(jobs.trimmed(history, NOTHING_GONE, KEYS)).level is Level.OK
    now = replace(history, last_id=b"9-0")
    assert only(jobs.trimmed(now, NOTHING_GONE, KEYS)).level is Level.WARNING
    both = replace(now, max_deleted=b"8-0")
    assert only(jobs.trimmed(both, NOTHING_GONE, KEYS)).level is Level.PROBLEM


def test_an_old_loss_is_no_news() -> None:
    gone = replace(NOTHING_GONE, last_ms=NOW_MS - 60_000, jobs=("3-0",))
    found = only(jobs.trimmed(WELL, gone, KEYS))
    assert (found.level, "the last one 1m ago" in found.found) == (Level.PROBLEM, True)
    assert found.commands[0] == ours("trace", "emails", "3-0", "--group", "mail")
    old = replace(gone, last_ms=NOW_MS - 2 * 86_400_000)
    assert only(jobs.trimmed(WELL, old, KEYS)).level is Level.OK


def test_a_heavy_group_is_told_by_the_servers_measure() -> None:
    weight = Weight({"dlq": 600_000, "events": 1000}, records=10, record_bytes=100_000)
    assert only(jobs.weight(weight, 0)).level is Level.OK
    found = only(jobs.weight(weight, 2_000_000))
    assert (found.level, "dlq 585.9KiB" in found.found) == (Level.WARNING, True)


@pytest.mark.parametrize("stream", ["emails", "a:b", "orders:{eu}", "x y"])
def test_a_group_is_recognised_by_the_key_of_its_state(stream: str) -> None:
    keys = Keys.of(stream, "mail.v2")
    found = keys_of_state(keys.state)
    assert found is not None
    assert (found.stream_name, found.group_name) == (stream, "mail.v2")


@pytest.mark.parametrize(
    "key", [b"retraced:{s}:state", b"retraced:s:g:state", b"other:{s}:g:state", b"retraced:{}:g:x"]
)
def test_other_keys_are_no_states(key: bytes) -> None:
    assert keys_of_state(key) is None


FINDINGS = [
    ok("version", "Redis 7.0.15"),
    warning("paused", "paused for 2h by ada", "Resume it.", ours("resume", "s", "--group", "g"))
    .of("s", "g"),
    problem("eviction", "allkeys-lru " * 10, "Set it.", cli("CONFIG", "SET", "a", "b c")),
    unknown("slow", "this user may not run SLOWLOG GET", "Allow it."),
    ok("keys", "every key has its type").of("s", "g"),
    ok("dead", "0 dead letters").of("s", "g"),
]  # fmt: skip


def test_the_worst_comes_first_and_a_groups_fine_checks_share_a_line() -> None:
    lines = [line for line, _ in show.lines(FINDINGS, URL, 80)]
    heads = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert heads == ["problem", "warning", "unknown", "ok", "ok", "1"]
    assert "warning  paused: s/g paused for 2h by ada" in lines
    assert "ok       s/g: keys, dead" in lines
    assert lines[-1] == "1 problem, 1 warning, 1 unknown, 3 ok"
    assert max(len(line) for line in lines if "redis-cli" not in line) <= 80


def test_commands_can_be_pasted_and_hold_no_password() -> None:
    said = [command for each in FINDINGS for command in show.as_data(each, URL)["commands"]]
    assert said == [
        "retraced resume s --group g",
        "redis-cli -h 10.0.0.7 -p 6380 -n 2 CONFIG SET a 'b c'",
    ]


def test_rights_are_given_by_somebody_else() -> None:
    words = cli("ACL", "SETUSER", "ada", "+scan")
    assert show.spelled(words, URL) == "redis-cli -h 10.0.0.7 -p 6380 -n 2 ACL SETUSER ada +scan"


def test_what_a_limited_user_cannot_run_is_said_to_be_an_administrators() -> None:
    change = warning("eviction", "it evicts", "Change it.", cli("CONFIG", "SET", "a", "b"))
    limited = show.as_data(change, URL)
    assert limited["do"] == (
        "Change it. An administrator of the server must do it, not the user ada."
    )
    assert "--user" not in limited["commands"][0]
    assert show.as_data(change, "redis://default:pw@h:1/0")["do"] == "Change it."
    assert "--user default" in show.as_data(change, "redis://default:pw@h:1/0")["commands"][0]
    own = warning("trimmed", "gone", "Look.", cli("XINFO", "STREAM", "s"))
    assert show.as_data(own, URL)["do"] == "Look."


@pytest.mark.parametrize(
    ("died", "completed", "level"),
    [(9, 0, Level.OK), (10, 0, Level.PROBLEM), (300, 1000, Level.WARNING), (300, 9000, Level.OK)],
)
def test_many_deaths_in_the_last_minutes_are_told(died: int, completed: int, level: Level) -> None:
    minute = Rate(60_000, None, completed, failed=0, dead=died, reclaimed=0)
    seen = Rates(minute=minute, five=None, hour=None, totals={})
    found = only(dead.deaths(WELL, seen, **NAMED))
    assert found.level is level
    if level is not Level.OK:
        assert ours("dlq", "list", "emails", "--group", "mail", "--by", "error") in found.commands
        assert found.commands[1][:4] == ours("pause", "emails", "--group")


def test_in_a_young_group_all_its_deaths_count() -> None:
    young = replace(WELL, state=GroupState({"created_at": str(NOW_MS - 20_000)}))
    seen = Rates(minute=None, five=None, hour=None, totals={"dead": 40, "completed": 2})
    found = only(dead.deaths(young, seen, **NAMED))
    assert found.found == "40 of the 42 jobs that ended in the last 20s died"
    assert found.level is Level.PROBLEM


def test_the_exit_code_counts_problems_and_if_strict_warnings() -> None:
    assert fails(FINDINGS, strict=False)
    only_warned = [each for each in FINDINGS if each.level is not Level.PROBLEM]
    assert (fails(only_warned, strict=False), fails(only_warned, strict=True)) == (False, True)
    assert not fails([FINDINGS[0], FINDINGS[3]], strict=True)
