"""What a FILTER looks at: the facts of one job, its body understood only when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

import orjson

from retraced import jsontext
from retraced.entry import RESERVED, added_ms
from retraced.filter.paths import MISSING
from retraced.fingerprint import fingerprint


class Known(TypedDict, total=False):
    """What else may be known of a job."""

    state: str
    attempt: int
    error: str
    reason: str
    worker: str
    release: str
    fields: Mapping[bytes, bytes]
    died_ms: int | None


@dataclass(slots=True)
class JobFacts:
    """What is known of one job. `type` is the stream's name for a job that names none.

    `age_ms`: since it was added; `died_ms`: since it died, None for one that isn't dead.
    `fields` are the producer's, raw: key, headers and payload are read from them when asked for.
    """

    id: bytes
    state: str = ""
    type: str = ""
    age_ms: int | None = None
    attempt: int = 0
    error: str = ""
    reason: str = ""
    worker: str = ""
    release: str = ""
    fields: Mapping[bytes, bytes] = field(default_factory=dict)
    died_ms: int | None = None
    _parsed: object = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def of(
        cls, job: bytes, *, kind: str | None, stream: str, now_ms: int, **known: Unpack[Known]
    ) -> JobFacts:
        """Of a job of this stream at a Redis time. `kind`: the type that it names, if any."""
        added = added_ms(job, now_ms) if job else None
        age_ms = None if added is None else max(now_ms - added, 0)
        return cls(job, type=stream if kind is None else kind, age_ms=age_ms, **known)

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the error, as `dlq list --by error` shows it; `none` without one."""
        return fingerprint(self.error)

    def payload_text(self) -> str:
        """The payload as it stands; of a bare entry, its own fields as a JSON object."""
        raw = self.fields.get(b"payload")
        return as_text(self._bare()) if raw is None else raw.decode("utf-8", "backslashreplace")

    def payload(self) -> object:
        """The payload as JSON says it; nothing can be found in one that isn't JSON."""
        if self._parsed is None:
            raw = self.fields.get(b"payload")
            self._parsed = self._bare() if raw is None else _parsed(raw)
        return self._parsed

    def header(self, name: bytes) -> object:
        """A field beside the payload; a bare entry has none, its fields are its payload."""
        if b"payload" not in self.fields or name in RESERVED:
            return MISSING
        return self.raw(name)

    def raw(self, name: bytes) -> object:
        """A field of the entry, whatever it means."""
        value = self.fields.get(name)
        return MISSING if value is None else value.decode("utf-8", "backslashreplace")

    def _bare(self) -> dict[str, str]:
        return {
            name.decode("utf-8", "backslashreplace"): value.decode("utf-8", "backslashreplace")
            for name, value in self.fields.items()
            if name not in RESERVED
        }


def as_text(value: object) -> str:
    match value:
        case str():
            return value
        case bool() | None | dict() | list():
            return jsontext.dumps(value)
        case _:
            return str(value)


def _parsed(raw: bytes) -> object:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return MISSING
