"""What `--set`, `--unset` and `--edit` make of an entry, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraced.cli.dlq import editor, jsonpath
from retraced.cli.dlq.changes import CantChange, Steps, between, changed, own_fields
from retraced.cli.dlq.flaws import flaw, unmended
from retraced.errors import UsageError
from retraced.filter.paths import found
from retraced.store.reads.dead import DeadLetter

OWN = own_fields("type")
LETTER = DeadLetter(b"1-0", {b"@job": b"1-0", b"@reason": b"exhausted", b"@error": b"boom"}, ())

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def change_of(
    fields: dict[str, str], *sets: str, unset: tuple[str, ...] = (), own: frozenset[bytes] = OWN
) -> dict[str, str | None]:
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    change = Steps.parse(sets, unset).changes(pairs, own)
    return {
        name.decode(): None if value is None else value.decode() for name, value in change.items()
    }


@pytest.mark.parametrize(
    ("before", "given", "after"),
    [
        ('{"user":42}', "payload.user=43", '{"user":43}'),
        ('{"user": 42, "to": "é"}', "payload.user=43", '{"user":43,"to":"é"}'),
        ('{"user":42}', "payload.user=ada", '{"user":"ada"}'),
        ('{"user":42}', 'payload.user="43"', '{"user":"43"}'),
        ('{"user":42}', 'payload.user={"id":7}', '{"user":{"id":7}}'),
        ('{"a":[1,2]}', "payload.a.1=3", '{"a":[1,3]}'),
        ('{"a":[1,2]}', "payload.a.2=3", '{"a":[1,2,3]}'),
        ("{}", "payload.a.b.c=true", '{"a":{"b":{"c":true}}}'),
        ('[{"a":1}]', "payload.0.a=", '[{"a":""}]'),
        ('{"n":123456789012345678901234567890}', "payload.m=1",
         '{"n":123456789012345678901234567890,"m":1}'),
        ('{"a":1}', "payload=anything at all", "anything at all"),
        ('{"a.b":1}', "payload.a.b=2", '{"a.b":2}'),
        ('{"a.b":{"c":1}}', "payload.a.b.c=2", '{"a.b":{"c":2}}'),
        ('{"a.b":{"c":1}}', "payload.a.b.d=2", '{"a.b":{"c":1,"d":2}}'),
        ('{"a.b":1,"a":{"b":{"c":1}}}', "payload.a.b.c=2", '{"a.b":1,"a":{"b":{"c":2}}}'),
        ('{"a":{"b.c":[1]}}', "payload.a.b.c.0=2", '{"a":{"b.c":[2]}}'),
    ],
)  # fmt: skip
def test_a_path_changes_one_value_of_the_payload(before: str, given: str, after: str) -> None:
    assert change_of({"type": "send", "payload": before}, given) == {"payload": after}


@pytest.mark.parametrize(
    ("path", "after"),
    [
        ("a", b'{"c":[1,2],"d.e":3}'),
        ("a.b", b'{"a":{},"c":[1,2],"d.e":3}'),
        ("c.0", b'{"a":{"b":1},"c":[2],"d.e":3}'),
        ("c.7", b'{"a": {"b": 1}, "c": [1, 2], "d.e": 3}'),
        ("x.y", b'{"a": {"b": 1}, "c": [1, 2], "d.e": 3}'),
        ("d.e", b'{"a":{"b":1},"c":[1,2]}'),
    ],
)
def test_what_is_removed_goes_and_what_isnt_there_changes_nothing(path: str, after: bytes) -> None:
    document = b'{"a": {"b": 1}, "c": [1, 2], "d.e": 3}'
    assert jsonpath.removed(document, path) == after


@pytest.mark.parametrize(
    ("before", "given", "why"),
    [
        ("not json", "payload.a=1", "isn't JSON"),
        ('{"a":1}', "payload.a.b=1", "payload.a is neither an object nor a list"),
        ('{"a":[1]}', "payload.a.7=1", "payload.a is a list of 1"),
        ('{"a":1,"a":2}', "payload.b=1", "name twice"),
        ('{"a":0.1000000000000000055511}', "payload.b=1", "more digits"),
        ('{"a":NaN}', "payload.b=1", "NaN isn't JSON"),
        ("[" * 100_000, "payload.b=1", "nested too deeply"),
        ("{}", "tenant=eu", "header.tenant"),
        ("{}", "header.type=x", "say type"),
    ],
)
def test_what_doesnt_fit_the_entry_is_refused(before: str, given: str, why: str) -> None:
    with pytest.raises(CantChange, match=why):
        change_of({"payload": before}, given)


def test_fields_beside_the_payload() -> None:
    fields = {"type": "send", "payload": "{}", "tenant": "eu"}
    assert change_of(fields, "type=other", "timeout=5m", "header.tenant=us", "key=7") == {
        "type": "other", "timeout": "5m", "tenant": "us", "key": "7",
    }  # fmt: skip
    assert change_of(fields, unset=("header.tenant", "timeout")) == {"tenant": None}


def test_a_bare_entrys_fields_are_its_payload() -> None:
    fields = {"to": "ada", "n": "1"}
    assert change_of(fields, "to=bob", "payload.n=2", "max_attempts=3", unset=("gone",)) == {
        "to": "bob", "n": "2", "max_attempts": "3",
    }  # fmt: skip
    with pytest.raises(CantChange, match="no headers"):
        change_of(fields, "header.x=1")


def test_where_another_field_names_the_type_timeout_is_a_header() -> None:
    own = own_fields("kind")
    assert change_of({"payload": "{}"}, "kind=x", "header.timeout=soon", own=own) == {
        "kind": "x", "timeout": "soon",
    }  # fmt: skip


def test_what_is_as_it_was_is_no_change_but_a_schedule_counts() -> None:
    fields = {"type": "send", "delay": "5s", "payload": "{}"}
    assert change_of(fields, "type=send") == {}
    assert change_of(fields, "delay=5s") == {"delay": "5s"}


@pytest.mark.parametrize("given", ["payload.user", "=1", "header.=1", "header=1", "payload.=x"])
def test_what_names_no_field_is_a_usage_error(given: str) -> None:
    with pytest.raises(UsageError):
        Steps.parse([given], [])


@given(JSON, st.lists(st.sampled_from(["a", "b", "0", "1"]), min_size=1, max_size=3), JSON)
def test_a_replaced_value_is_there_and_the_rest_is_as_it_was(
    inner: Any, way: list[str], value: Any
) -> None:
    path = ".".join(way)
    document = json.dumps({"a": {"b": inner, "a.1": inner}, "b.a": inner, "c": inner}).encode()
    try:
        after = jsonpath.replaced(document, path, value)
    except ValueError:
        return
    assert found(json.loads(after), path) == value
    assert json.loads(after)["c"] == inner


@pytest.mark.parametrize(
    ("error", "sets", "mended"),
    [
        ('payload.user: expected int, found "x" (str)', ["payload.user=43"], True),
        ('payload.user: expected int, found "x" (str)', ["payload.other=43"], False),
        ('payload.user: expected int, found "x" (str)', ["type=other"], False),
        ('payload.user: expected bool, found "x" (str)', ['payload.user="x"'], False),
        ("payload.n: expected bool, found 1 (int)", ["payload.n=true"], True),
        ("payload.a.b: expected bool, found 1 (int)", ["payload.a.b=true"], True),
        ("payload.a.b: expected bool, found 1 (int)", ["payload.a.c=true"], False),
        ("payload.items[0].n: missing", ["payload.items.0.n=1"], True),
        ("payload.items[0].n: missing", ["payload.items.0.m=1"], False),
        ("payload: expected an object, found list of 2", ["payload={}"], True),
        ("timeout: 'soon' isn't a duration", ["timeout=5m"], True),
        ("timeout: 'soon' isn't a duration", ["type=other"], False),
        ("something else altogether", ["type=other"], False),
    ],
)
def test_an_invalid_job_is_mended_by_a_change_of_what_was_wrong(
    error: str, sets: list[str], mended: bool
) -> None:
    fields = [(b"type", b"send"), (b"timeout", b"soon"),
              (b"payload", b'{"user":"x","items":[{}],"n":1,"a.b":1}')]  # fmt: skip
    change = Steps.parse(sets, []).changes(fields, OWN)
    why = unmended(error, fields, change)
    assert (why == "") is mended
    assert mended or why.startswith(error)


def test_of_a_bare_entry_the_parameter_is_a_field() -> None:
    fields = [(b"user", b"x")]
    change = Steps.parse(["user=43"], []).changes(fields, OWN)
    assert unmended('payload.user: expected int, found "x" (str)', fields, change) == ""


def test_a_change_that_would_be_buried_names_the_field() -> None:
    def found(*sets: str, keep_schedule: bool = False) -> str:
        fields = [(b"type", b"send"), (b"expires", b"never"), (b"payload", b"{}")]
        change = Steps.parse(sets, []).changes(fields, OWN)
        return flaw(
            b"1-0", fields, change, stream="s", type_field="type", keep_schedule=keep_schedule
        )

    assert found("timeout=soon").startswith("timeout: ")
    assert found("payload=" + "x" * (2 << 20)).startswith("payload: ")
    assert found("timeout=5s") == ""
    assert found("timeout=5s", keep_schedule=True).startswith("expires: ")
    assert found("run_at=soon").startswith("run_at: ")


@given(
    st.dictionaries(
        st.binary(min_size=1).filter(lambda name: name != b"payload"), st.binary(), max_size=4
    ),
    st.none() | st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_an_entry_that_isnt_edited_comes_back_as_it_was(
    fields: dict[bytes, bytes], payload: bytes | None
) -> None:
    if payload is not None:
        fields[b"payload"] = payload
    text = editor.as_text(LETTER, fields)
    assert all(char.isprintable() or char == "\n" for char in text if ord(char) < 0xA0)
    assert between(fields, editor.unchanged(fields, editor.from_text(text))) == {}


@pytest.mark.parametrize("levels", [300, 950])
def test_a_payload_that_is_nested_deeply_comes_back_as_it_was(levels: int) -> None:
    fields = {b"type": b"send", b"payload": b'{"user":' + b"[" * levels + b"]" * levels + b"}"}
    text = editor.as_text(LETTER, fields)
    assert between(fields, editor.unchanged(fields, editor.from_text(text))) == {}


def test_an_edited_entry_has_the_changes_and_no_others() -> None:
    fields = {b"type": b"send", b"x": b"\xff", b"payload": b'{"user": 42, "to": "ada"}'}
    text = editor.as_text(LETTER, fields).replace("42", "43").replace('"send"', '"other"')
    after = editor.unchanged(fields, editor.from_text(text))
    assert between(fields, after) == {b"type": b"other", b"payload": b'{"user":43,"to":"ada"}'}
    assert dict(changed(tuple(fields.items()), between(fields, after))) == after


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("# only a comment", "line"),
        ('# a\n{"type": "x",}', "line 2"),
        ("[1]", "object"),
        ('{"type": 5}', "type is 5"),
        ('{"type": "a", "type": "b"}', "twice"),
        ('{"payload": NaN}', "NaN"),
        ('{"payload": 1e999}', "payload: "),
        ('{"type": "\\ud800"}', "surrogate"),
    ],
)
def test_what_isnt_an_entry_is_told(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        editor.from_text(text)
