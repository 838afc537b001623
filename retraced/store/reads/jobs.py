"""The jobs of a group in every state, that match a filter: a page for people, or all for bulk work.

A page is a bounded scan that says how far it went; bulk work goes through what was there at its
start.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from retraced.filter import Filter
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.backlog import Count, unread
from retraced.store.reads.groups import StreamFacts
from retraced.store.reads.places import Bounds, Places
from retraced.store.reads.replies import if_group, number, redis_now, settled
from retraced.store.reads.rows import SHOWN, STATES_AT, Cursor, Fetch, JobRow, Needs, Place
from retraced.store.reads.typefield import type_field_of

__all__ = [
    "AllCounts",
    "Cursor",
    "JobRow",
    "Listing",
    "Place",
    "count_all",
    "count_places",
    "list_jobs",
    "matching",
    "with_bodies",
]

PAGE = 100
# By flow: what moves on while it is being looked for is met again further down.
BY_FLOW = (Place.UNREAD, Place.DELAYED, Place.READY, Place.HELD, Place.HELD_AGAIN)


@dataclass(slots=True)
class Listing:
    """A page: rows, how many jobs were `looked` at for it, and where to go on (None: the end)."""

    now_ms: int
    rows: list[JobRow] = field(default_factory=list)
    looked: int = 0
    next: Cursor | None = None


@dataclass(frozen=True, slots=True)
class AllCounts:
    """What a group has. `to_cancel`: cancels that wait for the next step of their jobs."""

    places: Mapping[Place, int | None]
    unread: Count
    to_cancel: int


async def list_jobs(
    link: Link,
    keys: Keys,
    *,
    states: Sequence[str] = (),
    wanted: Filter = Filter.ALL,
    newest: bool = True,
    beyond: Cursor | None = None,
    limit: int = 50,
    budget: int = 10_000,
) -> Listing:
    """At most `limit` jobs that match, from at most about `budget` that are looked at.

    Place by place: held, ready, unread, delayed (by due time), dead (by death), ended (by end).
    """
    scan = await _Scan.begin(link, keys, wanted, states)
    listing = Listing(now_ms=scan.now_ms)
    most = min(PAGE, budget)
    for place in _chosen(states, wanted, beyond):
        position = beyond.position if beyond and beyond.place is place else None
        found = scan.pages(place, newest=newest, beyond=position, most=most)
        async with aclosing(found) as pages:
            async for looked, matched in pages:
                if _take(listing, place, looked, matched, limit=limit, budget=budget):
                    return await scan.filled_in(listing)
    listing.next = None
    return await scan.filled_in(listing)


async def matching(
    link: Link,
    keys: Keys,
    *,
    wanted: Filter,
    places: Sequence[Place] = BY_FLOW,
    cancels: bool = False,
) -> AsyncGenerator[list[JobRow], None]:
    """All jobs of these places that match, oldest first, no job twice.

    What is added, or delayed, after the start isn't met. A job that moves against the order of the
    places while this runs may be missed. `cancels`: of each it is told whether it is to end.
    """
    scan = await _Scan.begin(link, keys, wanted)
    scan.places.whole = True
    seen: set[bytes] = set()
    for place in places:
        if not any(map(wanted.allows, STATES_AT[place])):
            continue
        async with aclosing(scan.pages(place)) as pages:
            async for _, matched in pages:
                fresh = [row for row in matched if row.job not in seen]
                seen.update(row.job for row in fresh)
                if cancels:
                    await scan.fetch.cancels(fresh)
                yield fresh


async def with_bodies(
    link: Link, keys: Keys, *, wanted: Filter
) -> AsyncGenerator[list[JobRow], None]:
    """As `matching`, each with all of its fields; without those that are gone meanwhile."""
    bounds = await Bounds.of(link, keys)
    fetch = Fetch(link, keys, await type_field_of(link, keys), bounds.oldest)
    async with aclosing(matching(link, keys, wanted=wanted, cancels=True)) as pages:
        async for page in pages:
            await fetch.bodies(page)
            yield [row for row in page if row.fields]


async def count_places(link: Link, keys: Keys) -> dict[Place, int | None]:
    """How many jobs are in each place; None where only counting them would tell."""
    first, later, ready, delayed, dead, ended = await link.calls(
        [
            ("XPENDING", keys.stream, keys.group),
            ("XPENDING", keys.ready, keys.group),
            ("XLEN", keys.ready),
            ("ZCARD", keys.delayed),
            ("XLEN", keys.dlq),
            ("ZCARD", keys.finished),
        ]
    )
    held_again = number(if_group(later, [0])[0])
    return {
        Place.HELD: number(if_group(first, [0])[0]),
        Place.HELD_AGAIN: held_again,
        Place.READY: max(number(settled(ready)) - held_again, 0),
        Place.UNREAD: None,
        Place.DELAYED: number(settled(delayed)),
        Place.DEAD: number(settled(dead)),
        Place.ENDED: number(settled(ended)),
    }


async def count_all(link: Link, keys: Keys, stream: StreamFacts) -> AllCounts:
    """How many jobs are in each place, and how many of them are to end."""
    position = stream.positions.get(keys.group)
    waiting = Count(0)
    if position is not None:
        waiting = await unread(link, keys.stream, length=stream.entries, last_delivered=position)
    to_cancel = number(await link.call("SCARD", keys.cancelled))
    return AllCounts(await count_places(link, keys), waiting, to_cancel)


@dataclass(slots=True)
class _Scan:
    """Goes through places and asks the filter."""

    places: Places
    fetch: Fetch
    wanted: Filter
    states: Sequence[str]
    now_ms: int

    @classmethod
    async def begin(
        cls, link: Link, keys: Keys, wanted: Filter, states: Sequence[str] = ()
    ) -> _Scan:
        bounds = await Bounds.of(link, keys)
        fetch = Fetch(link, keys, await type_field_of(link, keys), bounds.oldest)
        places = Places(link, keys, bounds, fetch)
        return cls(places, fetch, wanted, states, await redis_now(link))

    async def filled_in(self, listing: Listing) -> Listing:
        """The listing, its rows with all that a list shows."""
        await self.fetch.complete(listing.rows, SHOWN)
        await self.fetch.cancels(listing.rows)
        return listing

    async def pages(
        self, place: Place, *, newest: bool = False, beyond: bytes | None = None, most: int = PAGE
    ) -> AsyncGenerator[tuple[list[JobRow], list[JobRow]], None]:
        """Pages of at most `most` rows: those looked at, and those of them that match."""
        needs = Needs.of(self.wanted)
        if place is Place.ENDED:  # only the record knows how it ended
            needs = replace(needs, record=True)
        async with aclosing(self.places.rows(place, newest=newest, beyond=beyond)) as found:
            async for page in found:
                for start in range(0, len(page), most):
                    rows = page[start : start + most]
                    if self.wanted or place is Place.ENDED:
                        await self.fetch.complete(rows, needs)
                    yield rows, [row for row in rows if self._matches(row)]

    def _matches(self, row: JobRow) -> bool:
        if self.states and row.state not in self.states:
            return False
        return not self.wanted or self.wanted.matches(
            row.facts(self.fetch.keys.stream_name, self.now_ms)
        )


def _chosen(states: Sequence[str], wanted: Filter, beyond: Cursor | None) -> list[Place]:
    places = list(Place)
    if beyond is not None:
        places = places[places.index(beyond.place) :]
    return [
        place
        for place in places
        if any(
            wanted.allows(state) and (not states or state in states) for state in STATES_AT[place]
        )
    ]


def _take(
    listing: Listing,
    place: Place,
    looked: Sequence[JobRow],
    matched: Sequence[JobRow],
    *,
    limit: int,
    budget: int,
) -> bool:
    """Takes a page into the listing; True when it is full or the budget is spent."""
    room = limit - len(listing.rows)
    listing.rows += matched[:room]
    if len(matched) > room or (len(matched) == room and looked):
        last = listing.rows[-1]
        listing.looked += next(at for at, row in enumerate(looked, 1) if row is last)
        listing.next = last.cursor
        return True
    listing.looked += len(looked)
    if looked:
        listing.next = Cursor(place, looked[-1].position)
    return listing.looked >= budget
