"""A dead letter as a row of a list, for people and for programs."""

from __future__ import annotations

from typing import Any

from retraced.cli.listing import Row, ago, first_line, stamps
from retraced.store.reads.dead import DeadLetter

COLUMNS = ("job", "type", "reason", "attempts", "died", "error")


def letter_row(letter: DeadLetter, now_ms: int) -> Row:
    """One line of a list."""
    shown = {
        "job": letter.job,
        "type": letter.type,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "died": ago(now_ms - letter.died_ms),
        "error": first_line(letter.error),
    }
    return Row(letter_data(letter), shown)


def letter_data(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter for programs; `retraced dlq list --help` has the keys."""
    from retraced.fingerprint import fingerprint

    return {
        "id": letter.job,
        "entry": letter.entry,
        "type": letter.type,
        "reason": letter.reason,
        "error": letter.error,
        "fingerprint": fingerprint(letter.error),
        "attempts": letter.attempts,
        "deliveries": letter.deliveries,
        "crashes": letter.crashes,
        **stamps("died", letter.died_ms),
        "position": position(letter.entry),
    }


def position(entry: bytes) -> str:
    """A place in the list for `--after`, as `jobs list` has it, too."""
    return f"dead:{entry.decode()}"
