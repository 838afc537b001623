"""Entries: what is written is read back, copies lose nothing, and any bytes give an answer."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from retraced.entry import RESERVED, Entry, decode, encode, split_ready
from retraced.errors import InvalidEntry

ID = b"1764000000000-0"
LIMIT = 1_000_000

texts = st.text(st.characters(codec="utf-8"))
names = texts.filter(lambda name: name.encode() not in RESERVED)
hostile_names = st.sampled_from([*sorted(RESERVED), b"@job", b"@@x", b"\xff", b""]) | st.binary()
hostile_values = st.sampled_from([b"9" * 5_000, b"5m", b"NaN", b"\x00", b""]) | st.binary()
pairs = st.lists(st.tuples(hostile_names, hostile_values), min_size=1, max_size=12)
flat_lists = pairs.map(lambda found: [part for pair in found for part in pair])


def copied(fields: list[bytes]) -> list[bytes]:
    """What the scripts do: a field that begins with `@` gets one more."""
    escaped = [b"@" + part if part.startswith(b"@") else part for part in fields[::2]]
    return [part for pair in zip(escaped, fields[1::2], strict=True) for part in pair]


@given(flat_lists, st.integers(0, 10**15 - 1), st.booleans())
def test_a_copy_gives_back_the_producers_fields_byte_for_byte(
    fields: list[bytes], count: int, begun: bool
) -> None:
    ours = [b"@job", ID, b"@attempt", b"%d" % count, b"@lost", b"%d" % count]
    ours += [b"@begun", b"1"] if begun else []
    carried, original = split_ready([*ours, *copied(fields)])
    assert original == fields
    assert (carried.job, carried.attempt, carried.lost) == (ID, count, count)
    assert carried.begun is begun


def decoded(fields: list[bytes], type_field: str | None = "type") -> Entry | InvalidEntry:
    try:
        return decode(ID, fields, stream="s", type_field=type_field, max_payload=LIMIT)
    except InvalidEntry as error:
        return error


@given(flat_lists, st.sampled_from(["type", "kind", None]))
def test_any_entry_is_understood_or_names_a_field(
    fields: list[bytes], type_field: str | None
) -> None:
    entry = decoded(fields, type_field)
    if isinstance(entry, InvalidEntry):
        assert entry.field
        assert str(entry).isprintable()
        return
    assert entry.type
    assert all(isinstance(value, str) for value in entry.headers().values())
    if entry.bare:
        assert isinstance(json.loads(entry.body()), dict)


@given(st.dictionaries(names, texts, min_size=1))
def test_a_bare_entry_is_the_json_of_its_fields(fields: dict[str, str]) -> None:
    entry = decode(ID, encode(fields=fields), stream="s", max_payload=LIMIT)
    assert json.loads(entry.body()) == fields
    assert entry.bare


@given(st.binary(), st.dictionaries(names, texts))
def test_payload_and_headers_come_back_as_they_were(
    payload: bytes, headers: dict[str, str]
) -> None:
    entry = decode(ID, encode(payload=payload, headers=headers), stream="s", max_payload=LIMIT)
    assert entry.body() == payload
    assert entry.headers() == headers


@given(st.lists(st.tuples(names, texts), min_size=1, max_size=8))
def test_of_duplicates_the_last_one_counts(own: list[tuple[str, str]]) -> None:
    fields = [part.encode() for pair in own for part in pair]
    entry = decode(ID, fields, stream="s", max_payload=LIMIT)
    assert json.loads(entry.body()) == dict(own)
    assert bool(entry.duplicates) == (len(dict(own)) < len(own))


@given(
    delay=st.none() | st.integers(0, 10**9).map(lambda ms: f"{ms}ms"),
    timeout=st.none() | st.integers(1, 10**9).map(lambda ms: f"{ms}ms"),
    max_attempts=st.none() | st.integers(1, 1_000),
)
def test_options_come_back_as_they_were(
    delay: str | None, timeout: str | None, max_attempts: int | None
) -> None:
    flat = encode(delay=delay, timeout=timeout, max_attempts=max_attempts)
    entry = decode(ID, flat, stream="s", max_payload=LIMIT)
    assert entry.delay_ms == (None if delay is None else int(delay[:-2]))
    assert entry.timeout_ms == (None if timeout is None else int(timeout[:-2]))
    assert entry.max_attempts == max_attempts
