"""The fields of one job as its producer wrote them, wherever they are now."""

from __future__ import annotations

from collections.abc import Sequence

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.dead import dead_letter, fields_of
from retraced.store.reads.onready import searched
from retraced.store.reads.replies import pairs, settled
from retraced.store.reads.rows import own_fields

Fields = Sequence[tuple[bytes, bytes]]


async def fields_anywhere(link: Link, groups: Sequence[Keys], job: bytes) -> Fields | None:
    """From the stream, else from what one of the groups keeps. None: no one has them any more."""
    if groups:
        for _, flat in settled(await link.call("XRANGE", groups[0].stream, job, job)):
            return list(zip(flat[::2], flat[1::2], strict=True))
    for keys in groups:
        found = await _kept(link, keys, job)
        if found:
            return found
    return None


async def _kept(link: Link, keys: Keys, job: bytes) -> Fields:
    """In the record while it is delayed, else in its entry of the ready stream or the dead letter.

    A dead one's letter is looked for even where the record was lost. Without a record it may have
    been given back before it started.
    """
    record = pairs(await link.call("HGETALL", keys.job(job)))
    if own := own_fields(record):
        return list(own.items())
    waits = record.get(b"state") not in (b"dead", None) and record.get(b"entry")
    if waits and (found := await _on_ready(link, keys, job, record[b"entry"])):
        return found
    letter = await dead_letter(link, keys, job)
    if letter is not None:
        return await fields_of(link, keys, letter)
    entry = None if record else await searched(link, keys, job)
    return [] if entry is None else await _on_ready(link, keys, job, entry)


async def _on_ready(link: Link, keys: Keys, job: bytes, entry: bytes) -> Fields:
    for _, flat in settled(await link.call("XRANGE", keys.ready, entry, entry)):
        return _own(flat, job)
    return []


def _own(flat: Sequence[bytes], job: bytes) -> Fields:
    named = list(zip(flat[::2], flat[1::2], strict=True))
    if (b"@job", job) not in named:
        return []
    plain = [(name, value) for name, value in named if not name.startswith(b"@")]
    marked = [(name[1:], value) for name, value in named if name.startswith(b"@@")]
    return marked + plain
