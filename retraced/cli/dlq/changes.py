"""`--set` and `--unset`: what they make of an entry's fields, and whether that can run at all.

Pure. A change is a field's new value, None for one that goes; only what differs is in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retraced.cli.dlq import jsonpath
from retraced.entry import RESERVED, ROUTING_FIELDS, SCHEDULE_FIELDS
from retraced.errors import UsageError, quoted

Fields = Sequence[tuple[bytes, bytes]]
Change = dict[bytes, bytes | None]

_PAYLOAD = b"payload"


class CantChange(Exception):
    """Why a change doesn't fit an entry; text for people."""


@dataclass(frozen=True, slots=True)
class Step:
    """One `--set NAME=VALUE`, or with None for a value one `--unset NAME`."""

    name: str
    value: str | None

    def apply(self, fields: dict[bytes, bytes], own: frozenset[bytes]) -> None:
        """Changes `fields`, those of one entry; `own` are names with a meaning of their own."""
        kind, _, rest = self.name.partition(".")
        bare = _PAYLOAD not in fields
        if kind == "header" and rest:
            self._put(fields, self._header(rest, own, bare=bare))
        elif kind == "payload" and rest and bare:
            self._put(fields, self._bare_field(rest, own))
        elif kind == "payload" and rest:
            fields[_PAYLOAD] = self._in_payload(fields[_PAYLOAD], rest)
        elif bare or os.fsencode(self.name) in own | {_PAYLOAD}:
            self._put(fields, os.fsencode(self.name))
        else:
            raise CantChange(
                f"{self.name}: the entry has a payload; say header.{self.name} or "
                f"payload.{self.name}"
            )

    def _put(self, fields: dict[bytes, bytes], name: bytes) -> None:
        if self.value is None:
            fields.pop(name, None)
        else:
            fields[name] = os.fsencode(self.value)

    def _header(self, name: str, own: frozenset[bytes], *, bare: bool) -> bytes:
        if bare:
            raise CantChange(f"{self.name}: a bare entry has no headers; its fields are its body")
        if os.fsencode(name) in own:
            raise CantChange(f"{self.name}: {name} has a meaning of its own; say {name}")
        return os.fsencode(name)

    def _bare_field(self, name: str, own: frozenset[bytes]) -> bytes:
        if os.fsencode(name) in own:
            raise CantChange(f"{self.name}: in a bare entry {name} is an option of the job")
        return os.fsencode(name)

    def _in_payload(self, payload: bytes, path: str) -> bytes:
        try:
            if self.value is None:
                return jsonpath.removed(payload, path)
            return jsonpath.replaced(payload, path, jsonpath.value_of(self.value))
        except ValueError as error:
            raise CantChange(f"{self.name}: {error}") from None


@dataclass(frozen=True, slots=True)
class Steps:
    """All `--set` and `--unset` of a command, in that order."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, sets: Sequence[str], unsets: Sequence[str]) -> Steps:
        """Raises UsageError for what fits no entry at all."""
        steps = [*map(_set, sets), *(Step(name, None) for name in unsets)]
        for step in steps:
            if not step.name or step.name in ("header", "header.", "payload."):
                raise UsageError(f"{quoted(step.name)} names no field; {_EXAMPLES}")
        return cls(tuple(steps))

    def __bool__(self) -> bool:
        return bool(self.steps)

    def changes(self, fields: Fields, own: frozenset[bytes]) -> Change:
        """What they change in one entry; a schedule that is set counts, even as it was.

        Raises CantChange.
        """
        after = dict(fields)
        for step in self.steps:
            step.apply(after, own)
        change = between(dict(fields), after)
        for name in SCHEDULE_FIELDS & own & {os.fsencode(step.name) for step in self.steps}:
            change[name] = after.get(name)
        return change


NO_STEPS = Steps()
_EXAMPLES = "such as payload.user=43, header.tenant=eu, type=send or timeout=5m"


def own_fields(type_field: str | None) -> frozenset[bytes]:
    """Which fields have a meaning of their own in a group with this type field."""
    if type_field == "type":
        return RESERVED | frozenset(ROUTING_FIELDS)
    named = frozenset() if type_field is None else frozenset({type_field.encode()})
    return named | {_PAYLOAD, b"traceparent", b"tracestate"}


def between(before: Mapping[bytes, bytes], after: Mapping[bytes, bytes]) -> Change:
    """The changes that lead from one to the other."""
    change: Change = {name: None for name in before if name not in after}
    change.update({name: value for name, value in after.items() if before.get(name) != value})
    return change


def changed(fields: Fields, change: Change) -> list[tuple[bytes, bytes]]:
    """The fields after a change, in their order, new ones last."""
    kept = [(name, value) for name, value in fields if name not in change]
    return kept + [(name, value) for name, value in change.items() if value is not None]


def _set(given: str) -> Step:
    name, equals, value = given.partition("=")
    if not equals:
        raise UsageError(f"--set {quoted(given)} isn't of the form NAME=VALUE, {_EXAMPLES}")
    return Step(name, value)
