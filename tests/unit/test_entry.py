"""The wire protocol: golden entries, options, and hostile input."""

from __future__ import annotations

import contextlib
import re
import time

import pytest

from retraced.durations import DAY_MS, LAST_TIME_MS, TEN_YEARS_MS
from retraced.entry import (
    RESERVED,
    Carried,
    Entry,
    added_ms,
    decode,
    due_ms,
    expires_ms,
    notes,
    split_ready,
)
from retraced.errors import InvalidEntry

ADDED = 1_764_000_000_000
ID = b"%d-0" % ADDED
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def read(
    *fields: bytes, job_id: bytes = ID, type_field: str | None = "type", max_payload: int = 1_000
) -> Entry:
    return decode(job_id, fields, stream="emails", type_field=type_field, max_payload=max_payload)


def flaw(*fields: bytes, max_payload: int = 1_000, type_field: str | None = "type") -> InvalidEntry:
    with pytest.raises(InvalidEntry) as raised:
        read(*fields, max_payload=max_payload, type_field=type_field)
    assert len(str(raised.value)) < 500
    assert str(raised.value).isascii()
    assert str(raised.value).isprintable()
    return raised.value


def test_a_type_and_a_payload() -> None:
    entry = read(b"type", b"send", b"payload", b'{"to":"a"}')
    assert (entry.id, entry.type, entry.payload) == (ID, "send", b'{"to":"a"}')
    assert entry.fields == {b"type": b"send", b"payload": b'{"to":"a"}'}
    assert not entry.bare
    assert entry.body() == b'{"to":"a"}'
    assert entry.headers() == {}
    assert entry.duplicates == entry.routing == ()


def test_the_short_way_and_the_long_way_agree() -> None:
    short = read(b"type", b"send", b"payload", b"{}")
    long = read(b"payload", b"{}", b"type", b"send")
    assert short == long


def test_a_bare_entry_is_a_json_object_of_its_own_fields() -> None:
    entry = read(b"to", b"ada@example.org", b"subject", b"hi", b"delay", b"5m", b"n", b"1")
    assert entry.bare
    assert entry.type == "emails"
    assert entry.body() == b'{"to":"ada@example.org","subject":"hi","n":"1"}'
    assert entry.delay_ms == 300_000


def test_an_entry_of_options_alone_is_bare_and_empty() -> None:
    assert read(b"type", b"tick").body() == b"{}"


def test_an_empty_payload_is_a_payload() -> None:
    entry = read(b"payload", b"", b"tenant", b"7")
    assert not entry.bare
    assert entry.body() == b""
    assert entry.headers() == {"tenant": "7"}


def test_beside_a_payload_the_other_fields_are_headers() -> None:
    entry = read(b"payload", b"\xff\x00", b"key", b"k", b"priority", b"1", b"x", b"\xc3\xa9")
    assert entry.headers() == {"key": "k", "priority": "1", "x": "\u00e9"}
    assert entry.routing == ("key", "priority")


def test_a_producers_at_field_is_an_ordinary_field() -> None:
    assert read(b"payload", b"{}", b"@job", b"1-0", b"@", b"").headers() == {"@job": "1-0", "@": ""}
    assert read(b"@attempt", b"9").body() == b'{"@attempt":"9"}'


def test_every_option_is_read() -> None:
    entry = read(
        *(b"payload", b"{}", b"delay", b"250ms", b"run_at", b"2026-11-24T08:00:00Z"),
        *(b"expires", b"1d", b"max_attempts", b"7", b"timeout", b"30s"),
        *(b"backoff", b"immediate:2,exponential:1s..5m"),
        *(b"traceparent", TRACE.encode(), b"tracestate", b"a=1"),
    )
    assert (entry.delay_ms, entry.run_at_ms) == (250, 1_795_507_200_000)
    assert (entry.expires_after_ms, entry.expires_at_ms) == (DAY_MS, None)
    assert (entry.max_attempts, entry.timeout_ms) == (7, 30_000)
    assert entry.backoff == "immediate:2,exponential:1s..5m"
    assert (entry.traceparent, entry.tracestate) == (TRACE, "a=1")
    assert entry.headers() == {}


def test_options_that_are_absent_are_none() -> None:
    entry = read(b"a", b"b")
    names = "delay_ms run_at_ms expires_after_ms expires_at_ms max_attempts backoff timeout_ms"
    assert [getattr(entry, name) for name in names.split()] == [None] * 7
    assert entry.traceparent is None


@pytest.mark.parametrize(
    ("text", "after", "at"),
    [
        (b"5000", 5_000, None),
        (b"5m", 300_000, None),
        (b"1795507200000", None, 1_795_507_200_000),
        (b"2026-11-24T08:00:00Z", None, 1_795_507_200_000),
        (b"%d" % TEN_YEARS_MS, TEN_YEARS_MS, None),
        (b"%d" % (TEN_YEARS_MS + 1), None, TEN_YEARS_MS + 1),
        (b"9" * 100_000, None, LAST_TIME_MS),
    ],
)
def test_expires_is_a_duration_or_a_time(text: bytes, after: int | None, at: int | None) -> None:
    entry = read(b"expires", text, b"payload", b"")
    assert (entry.expires_after_ms, entry.expires_at_ms) == (after, at)


@pytest.mark.parametrize("name", [b"delay", b"timeout", b"run_at", b"expires", b"max_attempts"])
@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"NaN",
        b"-1",
        b"+1",
        b"1.5",
        b"1e3",
        b" 1",
        b"1\x00",
        b"\x00",
        b"\xff",
        "\u0665".encode(),
        "\u0665\u0665s".encode(),
        b"x" * 100_000,
        b"9" * 100_000 + b"x",
    ],
)
def test_an_option_that_is_not_understood_is_named(name: bytes, value: bytes) -> None:
    assert flaw(name, value, b"payload", b"{}").field == name.decode()


@pytest.mark.parametrize("value", [b"0", b"1001", b"00", b"9" * 100_000, b"5.0", b"five"])
def test_attempts_are_one_to_a_thousand(value: bytes) -> None:
    assert "from 1 to 1000" in flaw(b"max_attempts", value).why


def test_attempts_may_be_written_with_zeros_in_front() -> None:
    assert read(b"max_attempts", b"0" * 5_000 + b"1000", b"payload", b"").max_attempts == 1_000


def test_a_timeout_of_nothing_and_a_broken_backoff_are_invalid() -> None:
    assert flaw(b"timeout", b"0").field == "timeout"
    assert flaw(b"backoff", b"sometimes").field == "backoff"


@pytest.mark.parametrize(
    "value", [b"x", TRACE.upper().encode(), b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", b"\x00"]
)
def test_a_broken_trace_context_is_ignored_as_its_standard_asks(value: bytes) -> None:
    entry = read(b"payload", b"{}", b"traceparent", value, b"tracestate", b"a=1")
    assert (entry.traceparent, entry.tracestate) == (None, None)


def test_what_a_process_could_not_be_given_is_not_passed_on() -> None:
    entry = read(b"traceparent", TRACE.encode(), b"tracestate", b"a=1\x00", b"payload", b"")
    assert (entry.traceparent, entry.tracestate) == (TRACE, None)


@pytest.mark.parametrize("value", [b"", b"a\x00b", b"a\nb", b"\x7f", b"\xff", b"x" * 513])
def test_a_type_is_a_short_line_of_text(value: bytes) -> None:
    assert flaw(b"type", value, b"payload", b"{}").field == "type"
    assert flaw(b"payload", b"{}", b"type", value).field == "type"


def test_a_type_may_be_in_any_script() -> None:
    assert read(b"type", "g\u00e9n\u00e9rer \u4e2d\u200b".encode(), b"a", b"").type.startswith(
        "g\u00e9"
    )


@pytest.mark.parametrize("value", [b"\xff", b"\xc3", b"a\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
def test_values_are_utf8_except_the_payload(value: bytes) -> None:
    for fields in ((b"payload", b"{}", b"tenant", value), (b"tenant", value)):
        error = flaw(*fields)
        assert error.field == "tenant"
        assert "isn't UTF-8" in error.why
    assert read(b"payload", value).body() == value


def test_a_field_name_that_is_not_utf8_is_named_escaped() -> None:
    error = flaw(b"payload", b"{}", b"\xfftenant", b"7")
    assert error.field == r"\xfftenant"
    assert flaw(b"\x00\n", b"\xff").field == r"'\x00\n'"
    assert len(flaw(b"n" * 100_000, b"\xff").field) < 120


def test_a_payload_over_the_limit_is_invalid() -> None:
    assert read(b"type", b"t", b"payload", b"x" * 1_000).payload == b"x" * 1_000
    for fields in (
        (b"type", b"t", b"payload", b"x" * 1_001),
        (b"payload", b"x" * 1_001),
        (b"body", b"x" * 997),
    ):
        error = flaw(*fields)
        assert error.field == "payload"
        assert re.search(r"1,001 bytes .* limit of 1,000.*--max-payload", error.why)


def test_huge_headers_beside_a_small_payload_are_only_headers() -> None:
    entry = read(b"payload", b"{}", b"h", b"x" * 1_000_000)
    assert len(entry.headers()["h"]) == 1_000_000


def test_five_thousand_fields_are_understood() -> None:
    fields = [part for n in range(5_000) for part in (b"f%d" % n, b"v%d" % n)]
    entry = read(*fields, max_payload=1_000_000)
    assert len(entry.fields) == 5_000
    assert entry.body().startswith(b'{"f0":"v0","f1":"v1"')


def test_of_a_duplicate_field_the_last_one_counts() -> None:
    entry = read(b"a", b"1", b"type", b"x", b"a", b"2", b"type", b"y", b"b", b"3")
    assert entry.type == "y"
    assert entry.body() == b'{"a":"2","b":"3"}'
    assert entry.duplicates == ("a", "type")
    assert notes(entry, ADDED) == {"duplicates": "a, type"}
    assert notes(read(b"a", b"1"), None) == {}


def test_two_payloads_and_two_types_in_four_places() -> None:
    entry = read(b"type", b"x", b"type", b"y")
    assert (entry.type, entry.duplicates) == ("y", ("type",))


def test_nul_bytes_are_data() -> None:
    entry = read(b"a\x00", b"\x00", b"", b"empty")
    assert entry.body() == b'{"a\\u0000":"\\u0000","":"empty"}'


def test_another_type_field_leaves_the_streams_own_words_alone() -> None:
    fields = (b"kind", b"order", b"type", b"express", b"timeout", b"high", b"delay", b"no")
    entry = read(*fields, type_field="kind")
    assert entry.type == "order"
    assert entry.timeout_ms is entry.delay_ms is None
    assert entry.body() == b'{"type":"express","timeout":"high","delay":"no"}'
    assert read(*fields, b"payload", b"{}", type_field="kind").headers()["timeout"] == "high"
    assert read(b"type", b"a", b"payload", b"", type_field="kind").type == "emails"
    assert flaw(b"kind", b"\xff", type_field="kind").field == "kind"


def test_no_type_field_makes_the_streams_name_the_type() -> None:
    entry = read(b"type", b"express", b"payload", b"{}", type_field=None)
    assert entry.type == "emails"
    assert entry.headers() == {"type": "express"}


def test_the_reserved_names_are_those_of_the_protocol() -> None:
    assert b" ".join(sorted(RESERVED)) == (
        b"backoff delay expires max_attempts payload run_at timeout traceparent tracestate type"
    )


# When it was added, is due, expires.


@pytest.mark.parametrize(
    ("job_id", "added"),
    [
        (b"1764000000000-0", ADDED),
        (b"1262304000000-0", 1_262_304_000_000),
        (b"1262303999999-9", None),
        (b"5-1", None),
        (b"%d-0" % (ADDED + DAY_MS), ADDED + DAY_MS),
        (b"%d-0" % (ADDED + DAY_MS + 1), None),
        (b"18446744073709551615-18446744073709551615", None),
        (b"", None),
        (b"abc-0", None),
        (b"9" * 100_000, None),
    ],
)
def test_an_id_is_a_clock_time_from_2010_to_a_day_ahead(job_id: bytes, added: int | None) -> None:
    assert added_ms(job_id, ADDED) == added


@pytest.mark.parametrize(
    "run_at",
    [b"1764000060000", b"2025-11-24T16:01:00Z", b"2025-11-24T17:01:00+01:00"],
)
def test_the_forms_of_run_at_mean_the_same(run_at: bytes) -> None:
    entry = read(b"run_at", run_at, b"payload", b"")
    assert due_ms(entry, ADDED, ADDED + 5) == ADDED + 60_000


def test_a_delay_counts_from_when_the_job_was_added() -> None:
    entry = read(b"delay", b"10s", b"payload", b"")
    assert due_ms(entry, ADDED, ADDED + 3_000) == ADDED + 10_000
    assert due_ms(read(b"a", b"b"), ADDED, ADDED) is None


def test_with_both_the_later_one_counts() -> None:
    entry = read(b"delay", b"10s", b"run_at", b"%d" % (ADDED + 3), b"payload", b"")
    assert due_ms(entry, ADDED, ADDED) == ADDED + 10_000


def test_due_times_are_capped_at_ten_years() -> None:
    entry = read(b"run_at", b"9" * 1_000, b"payload", b"")
    assert due_ms(entry, ADDED, ADDED) == ADDED + TEN_YEARS_MS


def test_without_a_clock_time_durations_count_from_the_first_delivery() -> None:
    entry = read(b"delay", b"10s", b"expires", b"5s", b"payload", b"", job_id=b"5-1")
    first = ADDED + 700
    assert due_ms(entry, None, first) == first + 10_000
    assert expires_ms(entry, None, first) == first + 5_000
    later = first + 10_003
    assert expires_ms(entry, None, later, obeyed_due_ms=first + 10_000) == first + 5_000
    assert notes(entry, None) == {"counted_from": "first delivery"}
    assert notes(entry, ADDED) == {}


def test_expiry_counts_from_adding_or_is_a_time() -> None:
    assert expires_ms(read(b"expires", b"5s", b"payload", b""), ADDED, ADDED + 9) == ADDED + 5_000
    at = read(b"expires", b"%d" % (ADDED + 7), b"payload", b"")
    assert expires_ms(at, ADDED, ADDED) == expires_ms(at, None, 0) == ADDED + 7
    assert expires_ms(read(b"a", b"b"), ADDED, ADDED) is None


# What ReTraced adds to its copies.


def test_a_ready_entry_is_parted_into_ours_and_the_producers() -> None:
    carried, fields = split_ready(
        [
            *(b"@job", ID, b"@attempt", b"2", b"@deliveries", b"5", b"@lost", b"1"),
            *(b"@crashes", b"1", b"@due", b"1764000060000", b"@begun", b"1", b"@later", b"?"),
            *(b"type", b"send", b"@@job", b"mine", b"@@@x", b"y", b"@@", b"z", b"payload", b"\xff"),
        ]
    )
    assert carried == Carried(ID, 2, 5, 1, 1, 1_764_000_060_000, begun=True)
    assert fields == [
        *(b"type", b"send", b"@job", b"mine", b"@@x", b"y", b"@", b"z", b"payload", b"\xff")
    ]


def test_what_is_not_carried_has_its_default() -> None:
    assert split_ready([b"@job", ID]) == (Carried(ID), [])
    assert split_ready([b"@job", ID, b"@record", b"1"])[0].in_record
    assert not split_ready([b"@job", ID, b"@begun", b"0"])[0].begun


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ([b"to", b"ada"], "@job"),
        ([b"@job", b""], "@job"),
        ([b"@job", b"x\xff" * 100_000], "@job"),
        ([b"@job", b"1-0\n"], "@job"),
        ([b"@job", ID, b"@attempt", b"-1"], "@attempt"),
        ([b"@job", ID, b"@lost", b"9" * 100_000], "@lost"),
        ([b"@job", ID, b"@due", b"\xd9\xa5"], "@due"),
        ([b"@job", ID, b"@crashes", b""], "@crashes"),
    ],
)
def test_a_ready_entry_that_someone_else_wrote_is_invalid(fields: list[bytes], field: str) -> None:
    with pytest.raises(InvalidEntry, match="wasn't written by ReTraced") as raised:
        split_ready(fields)
    assert raised.value.field == field
    assert len(str(raised.value)) < 300


def test_hostile_entries_cost_no_time_to_speak_of() -> None:
    begun = time.perf_counter()
    for value in (b"9" * 100_000, b"1" * 99_999 + b"z", b"x" * 1_000_000, b"-" * 1_000_000):
        for name in (*sorted(RESERVED), b"h"):
            with contextlib.suppress(InvalidEntry):
                read(name, value)
    assert time.perf_counter() - begun < 2
