"""Looking through dead letters, newest first and not without end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from retraced.cli.dlq.census import Census
from retraced.cli.dlq.letters import DeadLetters
from retraced.cli.progress import looking
from retraced.events import Event
from retraced.filter import Filter
from retraced.store.reads.dead import DeadLetter, dead_letter, deaths_of, newest_first
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
    """How far a look went: `last` is the entry behind which the next one begins.

    `full`: there are as many as were wanted. `cut`: as many as may be were looked at.
    """

    total: int
    now_ms: int
    seen: int = 0
    last: bytes = b""
    full: bool = False
    cut: bool = False


async def named(letters: DeadLetters, jobs: Sequence[bytes]) -> tuple[Looked, list[DeadLetter]]:
    """The dead letters of these jobs, as far as they are dead."""
    looked = await _begun(letters)
    found = [await dead_letter(letters.link, letters.keys, job) for job in jobs]
    looked.seen = looked.total
    return looked, [letter for letter in found if letter is not None]


async def find(
    letters: DeadLetters, span: Span, condition: Filter, *, limit: int
) -> tuple[Looked, list[DeadLetter]]:
    """The newest that match, at most `limit`."""
    looked = await _begun(letters)
    found: list[DeadLetter] = []
    most = MOST_IN_PAGE if condition else min(limit, MOST_IN_PAGE)
    async with aclosing(_pages(letters, span, looked, condition, most)) as pages:
        async for page in pages:
            found += page
            if len(found) >= limit:
                looked.full = len(found) > limit or looked.seen < looked.total
                del found[limit:]
                looked.last = found[-1].entry
                break
    return looked, found


async def count(letters: DeadLetters, span: Span, condition: Filter, census: Census) -> Looked:
    """Counts all that match in the census."""
    looked = await _begun(letters)
    async with aclosing(_pages(letters, span, looked, condition, MOST_IN_PAGE)) as pages:
        async for page in pages:
            deaths: Sequence[Event | None] = [None] * len(page)
            if census.by_death and page:
                deaths = await deaths_of(letters.link, letters.keys, page)
            for letter, death in zip(page, deaths, strict=True):
                census.add(letter, death)
    return looked


async def _begun(letters: DeadLetters) -> Looked:
    return Looked(await letters.count(), letters.now_ms)


async def _pages(
    letters: DeadLetters, span: Span, looked: Looked, condition: Filter, most: int
) -> AsyncGenerator[list[DeadLetter], None]:
    """Those that match, of each page that is looked at."""
    read = newest_first(letters.link, letters.keys, before=span.before, most=most)
    with looking(min(looked.total, span.scan)) as progress:
        async with aclosing(read) as pages:
            async for page in pages:
                some = page[: span.scan - looked.seen]
                looked.seen += len(some)
                looked.last = some[-1].entry
                yield await letters.matching(some, condition)
                progress.add(len(some))
                if looked.seen >= span.scan:
                    looked.cut = looked.seen < looked.total
                    return
