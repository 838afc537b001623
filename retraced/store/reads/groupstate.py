"""The facts in a group's `P:state`, read in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from retraced.durations import parse_integer
from retraced.keys import DEFAULT_VISIBILITY_MS
from retraced.store.reads.pause import Pause
from retraced.store.reads.replies import text

_COUNTER = "n:"


@dataclass(frozen=True, slots=True)
class GroupState:
    """`facts`: as they were written, by name; None for what isn't there or is no number."""

    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, told: Mapping[bytes, Any]) -> Self:
        """From the hash, or from some fields of it."""
        return cls({text(name): text(value) for name, value in told.items() if value is not None})

    @property
    def visibility_ms(self) -> int:
        """How long a lease lasts."""
        return self.whole("visibility_ms") or DEFAULT_VISIBILITY_MS

    @property
    def pause(self) -> Pause | None:
        return Pause.parse(self.facts)

    @property
    def created_at_ms(self) -> int | None:
        return self.whole("created_at")

    @property
    def counted(self) -> dict[str, int]:
        """How many events of each name there have been."""
        return {
            name.removeprefix(_COUNTER): parse_integer(value) or 0
            for name, value in self.facts.items()
            if name.startswith(_COUNTER)
        }

    def whole(self, name: str) -> int | None:
        """A fact that is a number."""
        return parse_integer(self.facts.get(name, ""))
