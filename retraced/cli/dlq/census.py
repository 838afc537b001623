"""Dead letters counted by what they have in common, and how the counts are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import click

from retraced.cli.dlq.letters import STORY_FIELDS
from retraced.cli.listing import Row, ago, for_people, shortened, stamps, terminal_width
from retraced.cli.listing import show as show_rows
from retraced.cli.output import printable
from retraced.cli.prose import note
from retraced.cli.remedy import command
from retraced.cli.session import Session
from retraced.cli.words import plural
from retraced.events import Event
from retraced.fingerprint import fingerprint, template
from retraced.store.reads.dead import DeadLetter

_NO_ERROR = "(no error text)"
_INDENT = 9


@dataclass(slots=True)
class Kind:
    """Dead letters of one kind. `value` as a FILTER takes it; None for jobs without a type."""

    value: str | None
    template: str
    newest_ms: int
    oldest_ms: int
    example: bytes
    count: int = 0

    def data(self, by: str) -> dict[str, Any]:
        """For programs; `retraced dlq list --help` has the keys."""
        return {
            "by": by,
            "value": self.value,
            "count": self.count,
            "template": self.template or None,
            **stamps("oldest", self.oldest_ms),
            **stamps("newest", self.newest_ms),
            "example": self.example,
        }


@dataclass(slots=True)
class Census:
    """Counts by error, type, reason, release or worker; letters are given newest first.

    `by_death`: it is the event of the death that tells, to be given with the letter.
    """

    by: str
    kinds: dict[str | None, Kind] = field(default_factory=dict)

    @property
    def by_death(self) -> bool:
        return self.by in STORY_FIELDS

    def add(self, letter: DeadLetter, death: Event | None = None) -> None:
        """One more."""
        value = self._value(letter, death)
        kind = self.kinds.get(value)
        if kind is None:
            common = template(letter.error) if self.by == "error" else ""
            died = letter.died_ms
            kind = self.kinds[value] = Kind(value, common, died, died, letter.job)
        kind.count += 1
        kind.oldest_ms = min(kind.oldest_ms, letter.died_ms)
        kind.newest_ms = max(kind.newest_ms, letter.died_ms)

    def largest(self) -> list[Kind]:
        """All kinds, the most frequent first, of equals the newest."""
        return sorted(self.kinds.values(), key=lambda kind: (-kind.count, -kind.newest_ms))

    def _value(self, letter: DeadLetter, death: Event | None) -> str | None:
        match self.by:
            case "release":
                return death.release or None if death else None
            case "worker":
                return death.worker or None if death else None
            case "error":
                return fingerprint(letter.error)
            case "reason":
                return letter.reason
            case _:
                return letter.type


def show(session: Session, census: Census, *, now_ms: int, limit: int, empty: str) -> None:
    """Prints the largest kinds; for people those of errors on two lines each."""
    kinds = census.largest()[:limit]
    name = "fingerprint" if census.by == "error" else census.by
    rows = [Row(kind.data(census.by), _shown(kind, name, now_ms)) for kind in kinds]
    if census.by == "error" and rows and for_people(session):
        for line in _lines(kinds, now_ms):
            click.echo(line)
    else:
        show_rows(session, rows, ("count", name, "oldest", "newest", "example"), empty=empty)
    left = len(census.kinds) - len(kinds)
    if left and for_people(session):
        rest = sum(kind.count for kind in census.largest()[limit:])
        note(f"and {plural(left, 'smaller kind')} with {rest:,} in all: --limit")


def say_what_next(session: Session, census: Census, stream: str, group: str) -> None:
    """For people: the command that takes the largest kind."""
    if not census.kinds or not for_people(session):
        return
    name = "fingerprint" if census.by == "error" else census.by
    largest = census.largest()[0]
    if largest.value is None:
        return
    term = f"{name}={_quoted(largest.value)}"
    go_on = command("dlq", "requeue", stream, "--group", group, term)
    note(f"all of a kind: {go_on} --dry-run")


def _lines(kinds: list[Kind], now_ms: int) -> Iterator[str]:
    width = max(len(f"{kind.count:,}") for kind in kinds)
    room = max(terminal_width() - _INDENT, 30)
    for kind in kinds:
        span = f"newest {ago(now_ms - kind.newest_ms)}, oldest {ago(now_ms - kind.oldest_ms)}"
        yield f"{kind.value:<8} {kind.count:>{width},}  {span}, e.g. {printable(kind.example)}"
        yield " " * _INDENT + shortened(printable(kind.template or _NO_ERROR), room)


def _shown(kind: Kind, name: str, now_ms: int) -> dict[str, Any]:
    return {
        "count": kind.count,
        name: kind.value,
        "oldest": ago(now_ms - kind.oldest_ms),
        "newest": ago(now_ms - kind.newest_ms),
        "example": kind.example,
    }


def _quoted(value: str) -> str:
    """A value as a FILTER reads it back."""
    if value and not any(char.isspace() or char in "\"'\\" for char in value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
