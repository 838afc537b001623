"""Times that are counted in a worker until Redis adds them up."""

from __future__ import annotations

from retraced.histogram import bucket
from retraced.worker.measures import LONGEST_TYPE, MOST_TYPES, OTHER, Measures


def test_waits_and_runs_are_counted_by_type_and_bucket() -> None:
    measures = Measures()
    for _ in range(3):
        measures.add("mail", 5, 0)
    measures.add("mail", 5, 2_000_000)
    measures.add("sms:urgent", 5, 0)
    five, long = bucket(5), bucket(2_000_000)
    assert measures.take() == {
        b"w:%d:mail" % five: 4,
        b"r:0:mail": 3,
        b"r:%d:mail" % long: 1,
        b"w:%d:sms:urgent" % five: 1,
        b"r:0:sms:urgent": 1,
    }


def test_what_was_taken_is_forgotten_and_what_is_put_back_counts_again() -> None:
    measures = Measures()
    assert not measures
    measures.add("mail", 0, 0)
    assert measures
    times = measures.take()
    assert not measures
    measures.put_back(times)
    measures.add("mail", 0, 0)
    assert measures.take() == {b"w:0:mail": 2, b"r:0:mail": 2}
    assert measures.take() == {}


def test_too_many_types_are_counted_together() -> None:
    measures = Measures()
    for number in range(MOST_TYPES + 5):
        measures.add(f"type-{number}", 0, 0)
    times = measures.take()
    assert len(times) == 2 * (MOST_TYPES + 1)
    assert times[b"w:0:" + OTHER.encode()] == 5


def test_a_long_type_is_cut() -> None:
    measures = Measures()
    measures.add("x" * 5000, 0, 0)
    assert measures.take()[b"r:0:" + b"x" * LONGEST_TYPE] == 1


def test_times_that_can_not_be_are_counted_as_none() -> None:
    measures = Measures()
    measures.add("mail", -5, 1 << 62)
    assert set(measures.take()) == {b"w:0:mail", b"r:249:mail"}
