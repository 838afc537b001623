"""One job's entry on the group's ready stream: found without a record, and pending or not."""

from __future__ import annotations

from typing import Any

from retraced.errors import GroupMissing
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.paging import entries
from retraced.store.reads.replies import pairs

_MOST = 1000


async def searched(link: Link, keys: Keys, job: bytes) -> bytes | None:
    """A job that was given back before it had started has an entry there, and no record."""
    read = 0
    async for page in entries(link, keys.ready):
        for entry, fields in page:
            if pairs(fields).get(b"@job") == job:
                return entry
        read += len(page)
        if read >= _MOST:
            return None
    return None


async def pending_on(link: Link, keys: Keys, entry: bytes | None) -> list[Any]:
    if not entry:
        return []
    try:
        reply = await link.call("XPENDING", keys.ready, keys.group, entry, entry, 1)
    except GroupMissing:
        return []
    return list(reply)
