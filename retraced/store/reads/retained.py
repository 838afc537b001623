"""What a stream retains of a group's settled jobs, for `retraced replay`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from retraced.filter import Filter, JobFacts
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.paging import entries
from retraced.store.reads.replies import if_group, pairs, redis_now, settled, text
from retraced.store.reads.typefield import type_field_of, type_in

_ALIVE = (b"queued", b"held", b"delayed", b"dead")
FIELDS = frozenset({"type", "id", "age", "key", "header", "payload"})


@dataclass(frozen=True, slots=True)
class KeptSpan:
    """What a stream retains, as it was asked for ("" for nothing), and its oldest entry."""

    spec: str
    oldest: bytes | None


@dataclass(frozen=True, slots=True)
class Retained:
    """An entry of the stream that the group has settled."""

    job: bytes


async def kept_span(link: Link, keys: Keys) -> KeptSpan:
    """What the stream of `keys` retains."""
    spec, first = await link.calls(
        [
            ("HGET", keys.settings, "retain"),
            ("XRANGE", keys.stream, "-", "+", "COUNT", 1),
        ]
    )
    found = settled(first)
    return KeptSpan(text(settled(spec) or b""), bytes(found[0][0]) if found else None)


async def retained(
    link: Link, keys: Keys, *, low: bytes, high: bytes, wanted: Filter
) -> AsyncIterator[Sequence[Retained]]:
    """Settled jobs from id `low` to id `high` that match, oldest first, in pages.

    Left out are jobs that are alive in the group: queued, held, delayed or dead ones.
    """
    now_ms, type_field = await redis_now(link), await type_field_of(link, keys)
    async for page in entries(link, keys.stream, low=low, high=high):
        matching: list[bytes] = []
        for entry, flat in page:
            fields = pairs(flat)
            facts = JobFacts.of(
                entry,
                kind=type_in(fields, type_field),
                stream=keys.stream_name,
                now_ms=now_ms,
                fields=fields,
            )
            if wanted.matches(facts):
                matching.append(entry)
        yield await _settled_among(link, keys, matching)


async def _settled_among(link: Link, keys: Keys, jobs: list[bytes]) -> list[Retained]:
    """Those of these jobs (ids in order) that have no record of being alive and aren't pending."""
    if not jobs:
        return []
    pending, *states = await link.calls(
        [
            ("XPENDING", keys.stream, keys.group, jobs[0], jobs[-1], 2 * len(jobs)),
            *(("HGET", keys.job(job), "state") for job in jobs),
        ]
    )
    held = {row[0] for row in if_group(pending, [])}
    return [
        Retained(job)
        for job, state in zip(jobs, states, strict=True)
        if job not in held and settled(state) not in _ALIVE
    ]
