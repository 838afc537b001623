"""Whether an entry that was changed can run now, as far as can be told before a worker has it.

Pure. What it finds is told to a person; nothing is written then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from retraced.cli.dlq import jsonpath
from retraced.cli.dlq.changes import Change, Fields, changed
from retraced.cli.listing import first_line
from retraced.entry import SCHEDULE_FIELDS, decode
from retraced.errors import InvalidEntry
from retraced.filter.paths import Missing, found

# What a worker accepts unless it was told otherwise; a larger one may be its own limit's.
MOST_PAYLOAD = 1 << 20

_INDEX = re.compile(r"\[([0-9]+)\]")
_BODY = "payload"


def flaw(
    job: bytes,
    fields: Fields,
    change: Change,
    *,
    stream: str,
    type_field: str | None,
    keep_schedule: bool,
) -> str:
    """Why the entry would be buried as invalid once more after this change; empty if it wouldn't.

    `fields` are those before the change.
    """
    after = changed(fields, change)
    if not keep_schedule and type_field == "type":
        after = [(name, value) for name, value in after if _is_kept(name, change)]
    flat = [part for pair in after for part in pair]
    limit = max(MOST_PAYLOAD, sum(len(name) + len(value) for name, value in fields))
    try:
        decode(job, flat, stream=stream, type_field=type_field, max_payload=limit)
    except InvalidEntry as error:
        return f"{error}; so it would be buried as invalid, and nothing was written"
    return ""


def unmended(error: str, fields: Fields, change: Change) -> str:
    """Why a job that was buried as invalid would be again: what its `error` names is as it was.

    Empty if the change touches it.
    """
    named = first_line(error)
    path, colon, _ = named.partition(": ")
    if change and colon and _touched(path, dict(fields), change):
        return ""
    if not change:
        return f"{named}; it was buried as invalid for this and would be again"
    return f"{named}; it was buried as invalid for this, which the change leaves as it was"


def _is_kept(name: bytes, change: Change) -> bool:
    return name not in SCHEDULE_FIELDS or name in change


def _touched(path: str, fields: Mapping[bytes, bytes], change: Change) -> bool:
    name, _, inner = _INDEX.sub(r".\1", path).partition(".")
    if name != _BODY:
        raw = name.encode()
        return raw in change or (raw not in fields and bool(change))
    after = dict(changed(tuple(fields.items()), change))
    old, new = _body(fields), _body(after)
    if not inner or isinstance(old, bytes) or isinstance(new, bytes):
        return not _same(old, new)
    return not _same(found(old, inner), found(new, inner))


def _same(old: object, new: object) -> bool:
    """Whether two values are written alike: 1, 1.0 and true aren't."""
    if isinstance(old, bytes | Missing) or isinstance(new, bytes | Missing):
        return old == new
    return jsonpath.dumps(old) == jsonpath.dumps(new)


def _body(fields: Mapping[bytes, bytes]) -> object:
    """The payload as JSON, else its bytes; of a bare entry its fields."""
    raw = fields.get(b"payload")
    if raw is None:
        return {name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
                for name, value in fields.items()}  # fmt: skip
    try:
        return jsonpath.loads(raw)
    except ValueError:
        return raw
