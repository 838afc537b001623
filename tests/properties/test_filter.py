"""FILTER, for any text: reading never fails but with a remedy, and terms mean what they say."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from retraced.errors import UsageError
from retraced.filter import FIELDS, Filter, JobFacts

TEXT = st.text(max_size=30)
NAMES = st.text(alphabet="abcdefgh_", min_size=1, max_size=6)
SCALARS = st.one_of(st.integers(-(2**53), 2**53), st.booleans(), st.none(), TEXT)


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(TEXT, max_size=4))
def test_any_words_are_read_or_refused_with_a_remedy(words: list[str]) -> None:
    try:
        wanted = Filter.parse(words)
    except UsageError as error:
        assert str(error).isprintable()
        return
    assert isinstance(wanted.matches(JobFacts(b"1-0")), bool)


@given(st.sampled_from((*FIELDS, "payload.a", "header.b")), st.sampled_from(["=", "!=", ":"]), TEXT)
def test_a_quoted_value_comes_back_as_it_was(name: str, op: str, value: str) -> None:
    try:
        [term] = Filter.parse([f"{name}{op}{quoted(value)}"]).terms
    except UsageError:
        return
    assert (term.op, term.value) == (op, value)


@given(TEXT)
def test_equal_and_unequal_are_opposites(error: str) -> None:
    for found in (error, error + "x", ""):
        job = JobFacts(b"1-0", error=found)
        equal = Filter.parse([f"error={quoted(error)}"]).matches(job)
        assert Filter.parse([f"error!={quoted(error)}"]).matches(job) is not equal


@given(TEXT, st.text(min_size=1, max_size=8), TEXT)
def test_what_is_in_the_error_is_found(before: str, wanted: str, after: str) -> None:
    job = JobFacts(b"1-0", error=before + wanted + after)
    assert Filter.parse([f"error:{quoted(wanted)}"]).matches(job)


@given(st.lists(NAMES, min_size=1, max_size=4), SCALARS)
def test_a_path_finds_what_is_there(path: list[str], value: object) -> None:
    body = value
    for name in reversed(path):
        body = {name: body}
    job = JobFacts(b"1-0", fields={b"payload": json.dumps(body).encode()})
    spelled = value if isinstance(value, str) else json.dumps(value)
    word = f"payload.{'.'.join(path)}={quoted(spelled)}"
    assert Filter.parse([word]).matches(job)
    assert not Filter.parse([word.replace("=", "!=", 1)]).matches(job)


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), min_size=2))
def test_ids_compare_by_their_numbers(ids: list[tuple[int, int]]) -> None:
    for left, right in pairwise(ids):
        job = JobFacts(b"%d-%d" % left)
        for op, true in (("<", left < right), (">", left > right), ("=", left == right)):
            assert Filter.parse([f"id{op}{right[0]}-{right[1]}"]).matches(job) is true
