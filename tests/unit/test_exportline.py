"""A dead letter as a line of JSON: all of it is in there, and such a line is a job again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraced.cli import exportline
from retraced.cli.ndjson import entry_of_line
from retraced.cli.output import json_line
from retraced.errors import UsageError


def line(fields: list[tuple[bytes, bytes]], type_field: str | None = "type") -> bytes:
    said = exportline.heading("s", "g", type_field)
    return json_line({**said, "fields": exportline.exact(fields), "reason": "x"}).encode()


@given(st.lists(st.tuples(st.text(min_size=1).map(str.encode), st.binary()), min_size=1))
def test_every_byte_of_every_field_is_in_the_line(fields: list[tuple[bytes, bytes]]) -> None:
    said = json.loads(line(fields))
    assert exportline.is_export(said)
    assert said["fields"] == json.loads(json_line(exportline.exact(fields)))


@given(st.lists(st.tuples(st.sampled_from([b"a", b"\xc3\xa9", b"payload"]), st.binary())))
def test_a_line_is_the_entry_that_it_was_made_of(fields: list[tuple[bytes, bytes]]) -> None:
    fields = [(b"payload", b"\x00\xff{"), *fields]
    kept = [(name, value if name == b"payload" else value.hex().encode()) for name, value in fields]
    assert entry_of_line(line(kept)) == [part for pair in kept for part in pair]


def test_a_schedule_is_left_out_unless_it_isnt_one() -> None:
    fields = [(b"delay", b"5s"), (b"run_at", b"5"), (b"expires", b"1s"), (b"payload", b"{}")]
    assert entry_of_line(line(fields)) == [b"payload", b"{}"]
    assert len(entry_of_line(line(fields, "kind"))) == 8


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ([["timeout", "soon"]], "timeout"),
        ([], "no fields"),
        ([["a"]], "pairs"),
        ([["a", 5]], "base64"),
        ([["a", {"base64": "%"}]], "base64"),
    ],
)
def test_a_line_that_cant_be_a_job_is_refused(fields: list[object], why: str) -> None:
    said = {"retraced": "dead letter", "fields": fields}
    with pytest.raises(UsageError, match=why):
        entry_of_line(json.dumps(said).encode())


def test_an_object_without_the_mark_is_an_ordinary_line() -> None:
    assert entry_of_line(b'{"retraced": "x", "fields": [1]}')[0] == b"payload"
