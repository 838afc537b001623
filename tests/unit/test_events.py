"""Events as they are stored, and as they read."""

from __future__ import annotations

import pytest

from retraced.events import Event, EventName, describe, find, parse_record, parse_stream_entry

HEAD = [b"event", b"failed", b"at", b"1764000000000", b"worker", b"host-1-ab", b"release", b"v7"]


def test_one_entry_holds_the_event_of_many_jobs() -> None:
    events = parse_stream_entry(
        [*HEAD, b"jobs", b'{"1-0":{"attempt":1,"error":"boom"},"2-0":{"attempt":3}}']
    )
    assert events == [
        Event(
            EventName.FAILED,
            1_764_000_000_000,
            "1-0",
            "host-1-ab",
            "v7",
            {"attempt": 1, "error": "boom"},
        ),
        Event(EventName.FAILED, 1_764_000_000_000, "2-0", "host-1-ab", "v7", {"attempt": 3}),
    ]
    assert isinstance(events[0].name, EventName)


def test_a_completed_entry_lists_attempt_wait_and_run() -> None:
    fields = [b"event", b"completed", b"at", b"5", b"jobs", b'{"1-0":[1,20,300]}']
    (event,) = parse_stream_entry(fields)
    assert event.details == {"attempt": 1, "wait_ms": 20, "run_ms": 300}


def test_an_event_of_the_group_has_no_job() -> None:
    fields = [b"event", b"paused", b"at", b"5", b"by", b"ada", b"why", b"deploy"]
    assert parse_stream_entry(fields) == [
        Event("paused", 5, details={"by": "ada", "why": "deploy"})
    ]


def test_one_job_is_found_among_many() -> None:
    fields = [*HEAD, b"jobs", b'{"1-0":{"error":"see 3-0"},"12-0":{"attempt":2}}']
    found = find(fields, b"12-0")
    assert found is not None
    assert found.details == {"attempt": 2}
    assert find(fields, b"2-0") is None
    assert find(fields, b"3-0") is None


def test_numbers_that_lua_wrote_are_integers_again() -> None:
    (event,) = parse_stream_entry([*HEAD, b"jobs", b'{"1-0":{"due":1.764e12,"share":0.5}}'])
    assert event.details == {"due": 1_764_000_000_000, "share": 0.5}


@pytest.mark.parametrize(
    "jobs", [b"", b"not json", b"[1]", b"null", b"7", b"[" * 100_000, b'{"1-0":7}', b"\xff"]
)
def test_what_we_did_not_write_never_raises(jobs: bytes) -> None:
    for event in parse_stream_entry([*HEAD, b"jobs", jobs]):
        assert event.details == {}
        assert describe(event)


def test_entries_of_others_are_no_events() -> None:
    assert parse_stream_entry([]) == []
    assert parse_stream_entry([b"to", b"ada"]) == []
    (event,) = parse_stream_entry([b"event", b"\xff", b"at", b"9" * 400, b"\xfe", b"\xff"])
    assert event.at_ms == 0


def test_an_unknown_name_of_a_newer_release_is_kept() -> None:
    (event,) = parse_stream_entry([b"event", b"admitted_late", b"at", b"5"])
    assert event.name == "admitted_late"
    assert describe(event) == "admitted late"


def test_bytes_that_are_not_utf8_are_marked_not_lost() -> None:
    (event,) = parse_stream_entry([*HEAD, b"jobs", b'{"1-0":{"from":"h\xff"}}'])
    assert event.details == {"from": "h\ufffd"}


def test_the_record_tells_the_story_in_order() -> None:
    record = {
        b"state": b"dead",
        b"e_count": b"99",
        b"e:10": b'{"event":"dead","at":30,"worker":"w","release":"","reason":"exhausted"}',
        b"e:2": b'{"event":"failed","at":20,"attempt":1.0}',
        b"e:1": b'{"event":"delayed","at":"10"}',
        b"e:x": b"{}",
        b"e:03": b"{}",
        b"e:4": b"broken",
        b"e:5": b"[]",
        b"e:" + b"9" * 100_000: b"{}",
    }
    assert parse_record(record, b"1-0") == [
        Event("delayed", 10, "1-0"),
        Event("failed", 20, "1-0", details={"attempt": 1}),
        Event("dead", 30, "1-0", "w", details={"reason": "exhausted"}),
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            Event("failed", 1_000, "1-0", "w1", "", {"attempt": 2, "error": "a\n b", "due": 3_000}),
            "failed, attempt 2, by w1: a b; due in 2s",
        ),
        (
            Event("completed", 5, "1-0", "w1", "", {"attempt": 1, "wait_ms": 20, "run_ms": 1_500}),
            "completed, attempt 1, waited 20ms, ran 1.5s, by w1",
        ),
        (
            Event("dead", 5, "1-0", "w1", "", {"reason": "exhausted", "error": "boom"}),
            "buried as exhausted, by w1: boom",
        ),
        (Event("promoted", 5, "1-0", details={"due": 4}), "due, back in the queue"),
        (
            Event("reclaimed", 5, "1-0", "w2", "", {"from": "w1", "idle_ms": 31_000}),
            "taken over, by w2, from w1, silent for 31s",
        ),
        (
            Event("crashed", 5, "1-0", "w2", "v7", {"how": "exit code 7", "run_ms": 3}),
            "crashed, ran 3ms, by w2 (v7): exit code 7",
        ),
        (
            Event("requeued", 5, "1-0", details={"by": "ada", "edited": ["payload", "to"]}),
            "put back in the queue, asked for by ada, changed: payload, to",
        ),
        (
            Event("replayed", 5, "1-0", details={"by": "ada"}),
            "put in the queue again from the stream, asked for by ada",
        ),
        (
            Event("promoted", 5, "1-0", details={"by": "ada", "due": 9}),
            "back in the queue before its time, asked for by ada",
        ),
        (
            Event("delayed", 5, "1-0", details={"reason": "scheduled", "due": 10_005}),
            "delayed until its time; due in 10s",
        ),
        (
            Event("paused", 5, details={"by": "ada", "why": "deploy"}),
            "paused, asked for by ada: deploy",
        ),
        (
            Event("capped", 5, "1-0", details={"cap": "dlq_max"}),
            "its dead letter removed by the cap dlq_max",
        ),
        (
            Event("group_created", 5, details={"start": "0"}),
            "group created, beginning at the start of the stream",
        ),
        (Event("group_created", 5, details={"start": "7-1"}), "group created, beginning after 7-1"),
        (
            Event("requeued", 5, "1-0", details={"by": "ada"}),
            "put back in the queue, asked for by ada",
        ),
        (
            Event("delayed", 5, "1-0", details={"due": 10_005, "counted_from": "first delivery"}),
            "delayed; due in 10s; counted from its first delivery, as its id is no clock time",
        ),
        (
            Event("delayed", 5, "1-0", details={"duplicates": "to"}),
            "delayed; given more than once, the last one counted: to",
        ),
    ],
)
def test_events_read_as_one_line_of_words(event: Event, line: str) -> None:
    assert describe(event) == line


def test_a_long_error_is_cut() -> None:
    assert len(describe(Event("failed", 1, details={"error": "x" * 100_000}))) < 400


@pytest.mark.parametrize("name", list(EventName))
def test_every_event_has_words(name: EventName) -> None:
    assert describe(Event(name, 1)).replace(" ", "").replace(",", "").isalpha() or "'" in name
