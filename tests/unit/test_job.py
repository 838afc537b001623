"""What a handler sees of its job."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from retraced.entry import decode
from retraced.errors import InvalidEntry
from retraced.job import Job

ID = b"1764000000000-3"
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def job_of(*fields: bytes, job_id: bytes = ID, attempt: int = 1, fence: int = 1) -> Job:
    entry = decode(job_id, fields, stream="emails", max_payload=1_000)
    return Job(
        entry,
        attempt=attempt,
        fence=fence,
        stream="emails",
        group="mail",
        max_attempts=5,
        now_ms=1_764_000_100_000,
    )


def test_it_tells_which_run_of_which_job_it_is() -> None:
    job = job_of(b"type", b"send", b"payload", b"{}", attempt=3, fence=7)
    assert (job.id, job.type, job.stream, job.group) == (
        "1764000000000-3",
        "send",
        "emails",
        "mail",
    )
    assert (job.attempt, job.max_attempts) == (3, 5)
    assert (job.fence, job.deliveries) == (7, 7)
    assert repr(job) == "<Job 1764000000000-3 of emails/mail: send, attempt 3 of 5>"


def test_the_body_is_the_payload_as_it_was_added() -> None:
    job = job_of(b"type", b"send", b"payload", b"\xff\x00")
    assert job.body == b"\xff\x00"
    assert not job.bare


def test_the_payload_is_decoded_once() -> None:
    job = job_of(b"type", b"send", b"payload", b'{"to": ["a"]}', b"tenant", b"7")
    assert job.payload == {"to": ["a"]}
    assert job.payload is job.payload
    assert job.headers == {"tenant": "7"}


def test_a_bare_entry_has_its_fields_for_a_body() -> None:
    job = job_of(b"to", b"ada@example.org", b"subject", b"hi")
    assert job.bare
    assert job.body == b'{"to":"ada@example.org","subject":"hi"}'
    assert job.payload == {"to": "ada@example.org", "subject": "hi"}
    assert job.headers == {}


@pytest.mark.parametrize("payload", [b"", b"not json", b"\xff", b"NaN", b"[" * 100_000])
def test_a_payload_that_is_not_json_is_invalid_and_the_body_is_still_there(payload: bytes) -> None:
    entry = decode(ID, [b"payload", payload], stream="s", max_payload=1_000_000)
    job = Job(entry, attempt=1, fence=1, stream="s", group="g", max_attempts=1)
    with pytest.raises(InvalidEntry, match=r"payload: isn't JSON .*job\.body"):
        assert job.payload
    assert job.body == payload


def test_the_trace_context_is_passed_on() -> None:
    job = job_of(b"payload", b"{}", b"traceparent", TRACE, b"tracestate", b"a=1")
    assert (job.traceparent, job.tracestate) == (TRACE.decode(), "a=1")


def test_it_knows_when_it_was_added() -> None:
    assert job_of(b"a", b"b").added_at == datetime(2025, 11, 24, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize("job_id", [b"5-1", b"99999999999999-0", b"18446744073709551615-0"])
def test_an_id_that_is_no_clock_time_gives_none(job_id: bytes) -> None:
    assert job_of(b"a", b"b", job_id=job_id).added_at is None


def test_a_run_that_is_to_end_says_so() -> None:
    job = job_of(b"type", b"send")
    assert not job.cancelled
    job.tell_cancelled()
    assert job.cancelled
