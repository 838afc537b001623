"""The type of a job, from the field that names types in its group (`consume --type-field`)."""

from __future__ import annotations

from collections.abc import Mapping

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import text


async def type_field_of(link: Link, keys: Keys) -> str | None:
    """Which field names a job's type in this group; None: none does, it is the stream's name."""
    return parsed(await link.call("HGET", keys.state, "type_field"))


def parsed(said: bytes | None) -> str | None:
    """The field `type_field` of `P:state`, as `type_field_of` gives it."""
    if not said:
        return "type"
    return None if said == b"none" else text(said)


def type_in(fields: Mapping[bytes, bytes], type_field: str | None) -> str | None:
    """The type that an entry names; None: it names none, its type is the stream's name."""
    raw = fields.get(type_field.encode()) if type_field else None
    return None if raw is None else text(raw)
