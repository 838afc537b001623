"""The error tree's exit codes, the steering exceptions, and what stands in messages."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest

from retraced import errors
from retraced.errors import InvalidEntry, Reject, RetracedError, Retry, Snooze, Steer, quoted


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("RetracedError", 1),
        ("UsageError", 2),
        ("InvalidName", 2),
        ("ConfigError", 2),
        ("NotFound", 3),
        ("Refused", 6),
        ("ProtocolMismatch", 2),
        ("StoreError", 1),
        ("Unavailable", 4),
        ("Denied", 4),
        ("OutOfMemory", 1),
        ("GroupMissing", 1),
        ("WrongType", 1),
        ("ScriptFailed", 1),
    ],
)
def test_every_error_says_how_a_command_ends(name: str, exit_code: int) -> None:
    error = getattr(errors, name)
    assert issubclass(error, RetracedError)
    assert error.exit_code == exit_code


def test_the_tree_in_the_docstring_names_every_error() -> None:
    drawn = errors.__doc__ or ""
    classes = [thing for thing in vars(errors).values() if isinstance(thing, type)]
    ours = [thing for thing in classes if issubclass(thing, RetracedError | Steer)]
    assert [thing.__name__ for thing in ours if thing.__name__ not in drawn] == []


def test_an_invalid_entry_survives_pickling_and_copying() -> None:
    error = InvalidEntry("delay", "'soon' isn't a duration")
    for copied in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (copied.field, copied.why) == (error.field, error.why)
        assert str(copied) == "delay: 'soon' isn't a duration"


def test_steering_takes_timedeltas_and_strings_with_a_unit() -> None:
    assert Retry().after_ms is None
    assert Retry(timedelta(seconds=2)).after_ms == 2000
    assert Retry(after="5m", reason="busy").after_ms == 300_000
    assert Snooze("1h").for_ms == 3_600_000
    assert Reject("no such user").reason == "no such user"
    assert not issubclass(Steer, RetracedError)


@pytest.mark.parametrize("number", [30, 2.5, True])
def test_a_bare_number_is_a_type_error_that_names_both_forms(number: object) -> None:
    with pytest.raises(TypeError, match=r'Snooze.*timedelta.*"30s"'):
        Snooze(number)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r'Retry.*timedelta.*"30s"'):
        Retry(number)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["30", "soon", "-5s", "1.5s", ""])
def test_steering_refuses_a_text_without_a_unit(text: str) -> None:
    with pytest.raises(ValueError, match="whole number with a unit"):
        Snooze(text)


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("plain", "'plain'"),
        ("line\nbreak\x00", r"'line\nbreak\x00'"),
        (b"\xff\x00ok", r"'\xff\x00ok'"),
        ("\u0665m", r"'\u0665m'"),
        ("x" * 100_000, f"'{'x' * 60}'... (100,000 characters)"),
        (b"x" * 100_000, f"'{'x' * 60}'... (100,000 bytes)"),
    ],
)
def test_what_was_found_is_escaped_and_cut(found: str | bytes, shown: str) -> None:
    assert quoted(found) == shown
