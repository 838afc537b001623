"""What is shown while the demo runs: counts of each group, and news in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Tone(StrEnum):
    """How a piece of news is meant."""

    PLAIN = "plain"
    GOOD = "good"
    TROUBLE = "trouble"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class News:
    """Something that happened, `at_ms` after the start. `who`: a job, or empty."""

    at_ms: int
    group: str
    who: str
    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Counts:
    """Where the jobs of one group are now."""

    group: str
    worked_by: str
    queued: int
    held: int
    delayed: int
    done: int
    dead: int


@dataclass(frozen=True, slots=True)
class View:
    """One moment: jobs added of all, living workers, counts; `news` is all so far, oldest first."""

    elapsed_ms: int
    added: int
    total: int
    workers: int
    groups: Sequence[Counts]
    news: Sequence[News]


class Screen(Protocol):
    """Shows each moment; closed before anything else is printed."""

    def show(self, view: View) -> None: ...

    def close(self) -> None: ...
