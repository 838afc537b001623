"""Which workers a probe takes for well."""

from __future__ import annotations

import os

from retraced.cli.checkself import judge, process_exists
from retraced.keys import Keys
from retraced.store.reads.heartbeat import Heartbeat

KEYS = Keys.of("emails", "mail")


def beat(
    name: str = "box-7-aa", *, pid: int = 0, age_ms: int = 900, silent_ms: int = 3
) -> Heartbeat:
    facts = {"host": "box", "pid": str(pid or os.getpid()), "silent_ms": str(silent_ms)}
    return Heartbeat(KEYS, name.encode(), visibility_ms=30_000, facts=facts, age_ms=age_ms)


WELL = beat()
NO_SUCH_PID = 2**22 + 1


def test_a_fresh_heartbeat_is_well() -> None:
    health = judge([WELL], host="box", max_age_ms=None)
    assert (health.well, health.line) == (True, "well: box-7-aa")


def test_no_heartbeat_at_all_is_not_well() -> None:
    health = judge([], host="box", max_age_ms=None)
    assert (health.well, health.line) == (False, "no worker of box gives a sign of life")


def test_an_old_heartbeat_and_a_silent_loop_are_not_well() -> None:
    old = judge([beat(age_ms=31_000)], host="box", max_age_ms=None)
    assert not old.well
    assert "its last heartbeat was 31s ago" in old.line
    stuck = judge([beat(silent_ms=44_100)], host="box", max_age_ms=None)
    assert not stuck.well
    assert "its event loop has been stuck for 45s" in stuck.line


def test_the_limit_can_be_given() -> None:
    assert not judge([WELL], host="box", max_age_ms=500).well


def test_of_this_hosts_workers_each_must_be_well_of_a_group_one_is_enough() -> None:
    hanging = beat("box-8-bb", pid=os.getppid(), age_ms=60_000)
    assert not judge([WELL, hanging], host="box", max_age_ms=None).well
    assert judge([WELL, hanging], host=None, max_age_ms=None).well


def test_a_dead_process_is_made_up_for_by_the_one_that_followed_it() -> None:
    gone = beat("box-8-bb", pid=NO_SUCH_PID, age_ms=60_000)
    assert judge([WELL, gone], host="box", max_age_ms=None).well
    assert not judge([gone], host="box", max_age_ms=None).well


def test_the_former_worker_of_a_container_that_started_again_does_not_count() -> None:
    former = beat("box-7-old", age_ms=60_000)
    assert judge([former, WELL], host="box", max_age_ms=None).well
    assert judge([WELL, former], host="box", max_age_ms=None).well


def test_a_process_is_looked_for_on_this_machine() -> None:
    assert process_exists(os.getpid())
    assert process_exists(1)
    assert not process_exists(NO_SUCH_PID)
    assert not process_exists(None)
