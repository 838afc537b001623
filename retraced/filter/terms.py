"""One term of a FILTER, `field op value`, and when it is true of a job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from retraced.filter.facts import JobFacts, as_text
from retraced.filter.paths import MISSING, Missing, found
from retraced.keys import id_parts

JOB_ID = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][-+]?[0-9]{1,3})?")

Comparable = int | float | str | tuple[int, int]


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `path` is what follows `header.` or `payload.`; `wanted` the value understood.

    `wanted` is milliseconds for age and died, a number for attempt, the two numbers of an id, else
    None.
    """

    field: str
    path: str
    op: str
    value: str
    wanted: Comparable | None = None

    def holds(self, facts: JobFacts) -> bool:
        """Whether the condition is true of a job."""
        value = self._value(facts)
        if isinstance(value, Missing):
            return self.op == "!="
        if self.op == ":":
            return self.value.casefold() in as_text(value).casefold()
        if self.wanted is not None:
            return _compared(value, self.op, self.wanted)
        return _as_written(value, self.op, self.value)

    def _value(self, facts: JobFacts) -> object:
        match self.field:
            case "id":
                return self._id(facts.id)
            case "age":
                return MISSING if facts.age_ms is None else facts.age_ms
            case "died":
                return MISSING if facts.died_ms is None else facts.died_ms
            case "key":
                return facts.raw(b"key")
            case "header":
                return facts.header(self.path.encode("utf-8", "surrogateescape"))
            case "payload":
                return found(facts.payload(), self.path) if self.path else facts.payload_text()
            case name:
                return getattr(facts, name)

    def _id(self, job: bytes) -> object:
        written = job.decode("utf-8", "replace")
        if self.op == ":":
            return written
        return id_parts(job) if JOB_ID.fullmatch(written) else MISSING


def _compared(found: Any, op: str, wanted: Comparable) -> bool:
    match op:
        case "=":
            return bool(found == wanted)
        case "!=":
            return bool(found != wanted)
        case "<":
            return bool(found < wanted)
        case _:
            return bool(found > wanted)


def _as_written(found: object, op: str, value: str) -> bool:
    """Compares as numbers where both are, else as text."""
    left, right = _numeric(found), _numeric(value)
    if left is None or right is None:
        return _compared(as_text(found), op, value)
    return _compared(left, op, right)


def _numeric(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value or "e" in value.lower() else int(value)
    return None
