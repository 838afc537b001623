"""What a check answers: a level, what was found, what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from retraced.cli.listing import shortened
from retraced.cli.output import printable

LONGEST_NAME = 60
Words = tuple[str, ...]
Info = Mapping[str, str]  # INFO, by name


class Level(StrEnum):
    """How bad it is; `unknown` where a right is missing or a look failed."""

    PROBLEM = "problem"
    WARNING = "warning"
    UNKNOWN = "unknown"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence of what was found and one of what to do, with the exact `commands` for it.

    A command is a tuple of words, of which the first is `retraced` or `redis-cli`. `stream` and
    `group` are None for what concerns the server as a whole. `facts` are for programs.
    """

    check: str
    level: Level
    found: str
    do: str = ""
    commands: tuple[Words, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    stream: str | None = None
    group: str | None = None

    def of(self, stream: str, group: str) -> Finding:
        """The same, about one group."""
        return replace(self, stream=stream, group=group)


def ok(check: str, found: str, **facts: Any) -> Finding:
    return Finding(check, Level.OK, found, facts=facts)


def warning(check: str, found: str, do: str, *commands: Words, **facts: Any) -> Finding:
    return Finding(check, Level.WARNING, found, do, commands, facts)


def problem(check: str, found: str, do: str, *commands: Words, **facts: Any) -> Finding:
    return Finding(check, Level.PROBLEM, found, do, commands, facts)


def unknown(check: str, found: str, do: str, *commands: Words, **facts: Any) -> Finding:
    return Finding(check, Level.UNKNOWN, found, do, commands, facts)


def cli(*words: str) -> Words:
    """A command of redis-cli."""
    return ("redis-cli", *words)


def ours(*words: str) -> Words:
    """A command of retraced."""
    return ("retraced", *words)


def named(name: str) -> str:
    """A name as it may stand in what was found: safe, and short."""
    return shortened(printable(name), LONGEST_NAME)


def number(info: Info, name: str) -> int:
    """A whole number that INFO tells; 0 where it doesn't."""
    value = info.get(name, "")
    return int(value) if value.isdigit() else 0
