"""What the rules of the state machine draw. Numbers are places in lists, modulo their length."""

from __future__ import annotations

from hypothesis import strategies as st

from retraced.outcome import (
    Cancelled,
    Crashed,
    Expired,
    Failed,
    Interrupted,
    Invalid,
    Outcome,
    Postponed,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
    Unhandled,
)
from tests.properties.model.hands import Manner
from tests.properties.model.job import SCHEDULE, Changes

Fields = list[tuple[bytes, bytes]]

HOUR_MS = 3_600_000
FAR_MS = 4_000_000_000_000
GROUPS = ("a", "b")
WORKERS = 3

groups = st.sampled_from(GROUPS)
workers = st.integers(0, WORKERS - 1)
picks = st.integers(0, 1_000)
outcomes: st.SearchStrategy[Outcome] = st.sampled_from(
    [
        Succeeded(),
        Failed("boom"),
        Failed("at once", retry_after_ms=0),
        Failed("again", retry_after_ms=0),
        Failed("later", retry_after_ms=HOUR_MS),
        TimedOut(1_000),
        Rejected("no"),
        Snoozed(0),
        Snoozed(HOUR_MS),
        Crashed("signal 9"),
        Unhandled("t"),
        Invalid("delay", "bad"),
        Expired(1),
        Postponed(1),
        Postponed(FAR_MS),
        Interrupted(),
        Interrupted(),
        Crashed("exit 3"),
        Cancelled("ada"),
    ]
)
manners = st.builds(
    Manner,
    started=st.booleans(),
    twice=st.booleans(),
    backoff=st.sampled_from(["fixed:0", "fixed:1h~0%"]),
    max_bytes=st.sampled_from([262_144, 1]),
)
known_names = st.sampled_from(
    [b"type", b"payload", b"to", b"@job", b"@attempt", b"@due", b"@@x", b"@", b"", *SCHEDULE]
)
names = known_names | st.binary(max_size=5)
values = st.binary(max_size=9) | st.sampled_from([b"f:to", b"250ms", b"\x00" * 70])
changes: st.SearchStrategy[Changes] = st.dictionaries(known_names, st.none() | values, max_size=3)
short = st.lists(st.tuples(names, values), min_size=1, max_size=4)
too_long = st.builds(lambda n, x: [(b"n%d" % i, x) for i in range(n)], st.just(1_001), values)
entries = st.integers(0, 19).flatmap(lambda n: too_long if n == 19 else short)
