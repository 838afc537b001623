"""Errors that differ only in their values have one fingerprint, and others have others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraced.fingerprint import LENGTH, NONE, fingerprint, template

WORDS = st.sampled_from(
    ["order", "of", "customer", "failed:", "at", "in", "(code),", "[retry]", "=", "bank's", "can't"]
)
NUMBERS = st.one_of(
    st.integers(0, 10**15).map(str),
    st.floats(0, 1e9, allow_nan=False).map(repr),
    st.integers(0, 2**32).map(hex),
    st.integers(0, 10**6).map("{}ms".format),
)
QUOTED = st.text(
    st.characters(exclude_characters="'\\", exclude_categories=["C", "Z"]), max_size=30
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("ValueError: 'ada@example.org' is no address", "ValueError: '…' is no address"),
        ("ConnectionError: the bank's line is busy", "ConnectionError: the bank's line is busy"),
        ("can't reach 'x', don't try 'y'", "can't reach '…', don't try '…'"),
        ("order 17 took 3.5s (-5, 1e-07) at 0x7f3a", "order <n> took <n> (<n>, <n>) at <n>"),
        ("no 550e8400-e29b-41d4-a716-446655440000 here", "no <uuid> here"),
        ("mail to ada.l@example.org bounced", "mail to <email> bounced"),
        ("too late: 2026-11-24T08:00:00.123Z", "too late: <time>"),
        ("/app/jobs.py:39: boom", "/app/jobs.py:<n>: boom"),
        ('File "/app/jobs.py", line 39, in work', 'File "…", line <n>, in work'),
        ("connect to 10.0.0.1:6379 refused", "connect to <n>:<n> refused"),
        ("card cus_9s6XKzkNRiz8i3 is gone", "card cus_<n> is gone"),
        ("commit 92ace8 and d4e5f6a7", "commit <n> and <n>"),
        ('payload.to: expected str, found "a" (str)', 'payload.to: expected str, found "…" (str)'),
        ("", ""),
    ],
)
def test_values_give_way_and_words_stay(error: str, expected: str) -> None:
    assert template(error) == expected


@pytest.mark.parametrize(
    "error",
    [
        "exit code 75: the mail server is busy",
        "HTTP 404: gone",
        "HTTP/1.1 503 from the bank",
        "OSError: [Errno 28] No space left",
        "KeyError: 'customer'",
        "AttributeError: 'NoneType' object has no attribute 'send'",
        "exit code 1: TypeError: send() got an unexpected keyword argument 'to'",
    ],
)
def test_codes_and_names_of_the_program_tell_errors_apart(error: str) -> None:
    assert template(error) == error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("\n\n  ValueError: boom  \nsecond line", "ValueError: boom"),
        ("Traceback (most recent call last):\n  File\nKeyError: 'x'", "KeyError: 'x'"),
        (
            "exit code 1: starting\nTraceback (most recent call last):\n  x\nOSError: disk",
            "exit code 1: OSError: disk",
        ),
        ("duplicate key:\nDETAIL: (id)=(17)\nmore", "duplicate key: DETAIL: (id)=(<n>)"),
        ("\x1b[31mboom\x1b[0m\tagain", "boom again"),
    ],
)
def test_of_several_lines_the_one_that_tells_counts(error: str, expected: str) -> None:
    assert template(error) == expected


def test_different_errors_have_different_fingerprints() -> None:
    errors = ["KeyError: 'a'", "KeyError: 'b'", "ValueError: a", "exit code 1", "exit code 2", ""]
    assert len({fingerprint(error) for error in errors}) == len(errors)


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    assert fingerprint("ValueError: order 17 of 'ada'") == "bad06642"


@given(st.lists(st.tuples(WORDS, NUMBERS, NUMBERS, QUOTED, QUOTED), max_size=8))
def test_other_values_make_no_other_error(
    parts: list[tuple[str, str, str, str, str]],
) -> None:
    one = " ".join(f"{word} {a} '{x}'" for word, a, _, x, _ in parts)
    other = " ".join(f"{word} {b} '{y}'" for word, _, b, _, y in parts)
    assert (fingerprint(one), template(one)) == (fingerprint(other), template(other))


@given(st.text(max_size=300))
def test_any_text_has_a_short_template_on_one_line(error: str) -> None:
    assert len(template(error)) <= 200
    assert template(error).splitlines() in ([], [template(error)])
    if template(error):
        assert len(fingerprint(error)) == LENGTH
        assert int(fingerprint(error), 16) >= 0
    else:
        assert fingerprint(error) == NONE


def test_a_very_long_error_costs_little() -> None:
    for piece in ("'", '"\\', "a'b ", "0", "a@", "'a ", "0x", "a1", "2026-11-24 "):
        assert len(template(piece * 100_000)) <= 200
