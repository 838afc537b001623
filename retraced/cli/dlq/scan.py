"""Looking through dead letters, newest first and not without end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from retraced.cli.dlq.census import Census
from retraced.cli.dlq.selection import Place, matching
from retraced.filter import Filter
from retraced.store.reads.dead import DeadLetter, count_dead, dead_letter, newest_first
from retraced.store.reads.paging import MOST_IN_PAGE


@dataclass(frozen=True, slots=True)
class Span:
    """Where to look, from which entry down, and through how many letters at most."""

    stream: str
    group: str
    before: bytes | None
    scan: int


@dataclass(slots=True)
class Looked:
    """How far a look went: `last` is the entry where the next one begins.

    `full`: there are as many as were wanted. `cut`: as many as may be were looked at.
    """

    total: int
    now_ms: int
    seen: int = 0
    last: bytes = b""
    last_ms: int = 0
    full: bool = False
    cut: bool = False


async def named(place: Place, jobs: Sequence[bytes]) -> tuple[Looked, list[DeadLetter]]:
    """The dead letters of these jobs, as far as they are dead."""
    looked = await _begun(place)
    letters = [await dead_letter(place.link, place.keys, job) for job in jobs]
    looked.seen = looked.total
    return looked, [letter for letter in letters if letter is not None]


async def find(
    place: Place, span: Span, condition: Filter, *, limit: int
) -> tuple[Looked, list[DeadLetter]]:
    """The newest that match, at most `limit`."""
    looked = await _begun(place)
    found: list[DeadLetter] = []
    most = MOST_IN_PAGE if condition else min(limit, MOST_IN_PAGE)
    async with aclosing(_pages(place, span, looked, most)) as pages:
        async for page in pages:
            found += await matching(place, page, condition)
            if len(found) >= limit:
                looked.full = len(found) > limit or looked.seen < looked.total
                del found[limit:]
                looked.last = found[-1].entry
                break
    return looked, found


async def count(place: Place, span: Span, condition: Filter, census: Census) -> Looked:
    """Counts all that match in the census."""
    looked = await _begun(place)
    async with aclosing(_pages(place, span, looked, MOST_IN_PAGE)) as pages:
        async for page in pages:
            for letter in await matching(place, page, condition):
                census.add(letter)
    return looked


async def _begun(place: Place) -> Looked:
    return Looked(await count_dead(place.link, place.keys), place.now_ms)


async def _pages(
    place: Place, span: Span, looked: Looked, most: int
) -> AsyncGenerator[list[DeadLetter], None]:
    async with aclosing(
        newest_first(place.link, place.keys, before=span.before, most=most)
    ) as pages:
        async for page in pages:
            letters = page[: span.scan - looked.seen]
            looked.seen += len(letters)
            looked.last, looked.last_ms = letters[-1].entry, letters[-1].died_ms
            yield letters
            if looked.seen >= span.scan:
                looked.cut = looked.seen < looked.total
                return
