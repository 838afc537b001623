"""A job as one line of JSON, with every byte of it, and such a line as an entry again.

`dlq export` and `jobs export` write them, `add --ndjson` reads them. Pure.
"""

from __future__ import annotations

import base64
import binascii
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from retraced.entry import SCHEDULE_FIELDS, decode
from retraced.errors import InvalidEntry, UsageError, quoted

MARK = "retraced"
LETTER, JOB = "dead letter", "job"


def is_export(said: Mapping[str, object]) -> bool:
    """Whether an object is a line of an export."""
    return said.get(MARK) in (LETTER, JOB) and isinstance(said.get("fields"), list)


def heading(
    stream: str, group: str, type_field: str | None, *, kind: str = LETTER
) -> dict[str, Any]:
    """How each line begins."""
    return {MARK: kind, "stream": stream, "group": group, "type_field": type_field}


def exact(pairs: Iterable[tuple[bytes, bytes]]) -> list[list[object]]:
    """Names and values in their order: text, or `{"base64": ...}` for what isn't UTF-8."""
    return [[_exact(name), _exact(value)] for name, value in pairs]


def entry_of(said: Mapping[str, Any]) -> list[bytes]:
    """The flat entry of a line: the job as it was added; a dead one without delay, run_at, expires.

    Raises UsageError for a line that was changed into something else, and for one that would be
    buried as invalid.
    """
    type_field = said.get("type_field", "type")
    scheduled = said[MARK] == JOB or type_field != "type"
    flat: list[bytes] = []
    for pair in said["fields"]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise UsageError("fields of an exported job are pairs of name and value")
        name, value = map(_raw, pair)
        if scheduled or name not in SCHEDULE_FIELDS:
            flat += name, value
    if not flat:
        raise UsageError("this job has no fields that could be added")
    try:
        decode(b"0-0", flat, stream="-", type_field=type_field, max_payload=sys.maxsize)
    except InvalidEntry as error:
        raise UsageError(str(error)) from None
    return flat


def _exact(raw: bytes) -> object:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}


def _raw(part: object) -> bytes:
    match part:
        case str():
            return part.encode()
        case {"base64": str(text)}:
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as error:
                raise UsageError(f"{quoted(text)} isn't base64: {error}") from None
        case _:
            raise UsageError('a name or value of fields is a text or {"base64": "..."}')
