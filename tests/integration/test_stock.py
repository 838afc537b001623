"""The stock that other tests look at is where it says: each kind, by what Redis itself shows."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from retraced.keys import Keys
from tests.driver import stored
from tests.stock import KINDS, fill

pytestmark = pytest.mark.by_turns

EACH = 12


def test_each_kind_is_where_it_belongs(url: str, raw: redis.Redis, stream: str) -> None:
    stocked = fill(url, stream, each=EACH)
    keys = Keys.of(stream, "mail")
    assert {kind: len(stocked.jobs[kind]) for kind in KINDS} == dict.fromkeys(KINDS, EACH)
    assert {entry for entry, _ in stored(raw, stream)} == {*stocked.held, *stocked.unread}
    held: Any = raw.xpending_range(stream, "mail", "-", "+", 100)
    assert [row["message_id"].decode() for row in held] == stocked.held
    later: Any = raw.xpending_range(keys.ready, "mail", "-", "+", 100)
    again = {row["message_id"].decode() for row in later}
    on_ready = {
        fields[b"@job"].decode(): entry in again for entry, fields in stored(raw, keys.ready)
    }
    assert on_ready == {
        **dict.fromkeys(stocked.held_again, True),
        **dict.fromkeys(stocked.ready, False),
    }
    assert raw.zcard(keys.delayed) == EACH
    dead = stored(raw, keys.dlq)
    assert [fields[b"@job"].decode() for _, fields in dead] == stocked.dead
    assert len({fields[b"@reason"] for _, fields in dead}) > 3
    for kind, state in (("cancelled", b"cancelled"), ("done_after_retries", b"done")):
        for job in stocked.jobs[kind]:
            assert raw.hget(keys.job(job.encode()), "state") == state
    assert not any(raw.exists(keys.job(job.encode())) for job in stocked.done)
