"""The events in `P:events`, in bounded pages: those of one job, and those that come.

A job's events are written after it was added, by the same clock, so a search begins at the time in
its id. 100,000 entries, which is as many as are kept, are read in well under a second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from retraced.events import ENDINGS, Event, find, parse_stream_entry
from retraced.keys import Keys, id_parts
from retraced.store.connection import Link
from retraced.store.reads.paging import entries
from retraced.store.reads.replies import SMALLEST, after, settled

_MOST = 200_000


@dataclass(slots=True)
class Search:
    """What was found, and how far the search went. `gap`: it ended before the newest entry."""

    events: list[Event] = field(default_factory=list)
    read: int = 0
    gap: bool = False
    oldest_ms: int | None = None
    last: bytes = SMALLEST


async def search(
    link: Link,
    keys: Keys,
    job: bytes,
    *,
    since_ms: int | None,
    until_ms: int | None = None,
    most: int = _MOST,
) -> Search:
    """The events of a job from `since_ms` (None: the oldest) on, until one that ends it.

    Reads at most `most` entries. `last` is the id of the newest entry of `P:events`, to go on from
    with `following`.
    """
    found = Search()
    oldest, newest = await link.calls(
        [
            ("XRANGE", keys.events, "-", "+", "COUNT", 1),
            ("XREVRANGE", keys.events, "+", "-", "COUNT", 1),
        ]
    )
    if not settled(oldest) or not settled(newest):
        return found
    found.oldest_ms = id_parts(oldest[0][0])[0]
    found.last = newest[0][0]
    start = b"-" if since_ms is None else b"%d" % since_ms
    end = found.last if until_ms is None else b"%d" % until_ms
    async for page in entries(link, keys.events, low=start, high=end):
        found.read += len(page)
        found.events += [event for _, fields in page if (event := find(fields, job))]
        if found.events and found.events[-1].name in ENDINGS:
            return found
        if found.read >= most:
            found.gap = True
            return found
    return found


async def following(link: Link, keys: Keys, job: bytes, last: bytes) -> tuple[list[Event], bytes]:
    """The job's events behind the entry `last`, and the id of the newest entry that was read."""
    events: list[Event] = []
    async for page in entries(link, keys.events, low=after(last)):
        events += [event for _, fields in page if (event := find(fields, job))]
        last = page[-1][0]
    return events, last


@dataclass(slots=True)
class Latest:
    """The newest events that were wanted, in order. `whole`: there are no more of them.

    `read` entries were looked at; `last` is the id of the newest one, to go on from.
    """

    events: list[Event] = field(default_factory=list)
    read: int = 0
    whole: bool = True
    last: bytes = SMALLEST


async def latest(
    link: Link,
    keys: Keys,
    *,
    wanted: Callable[[Event], bool],
    limit: int,
    since_ms: int | None = None,
    most: int = _MOST,
) -> Latest:
    """The newest `limit` events that are wanted, of all jobs and of the group itself."""
    found = Latest(last=await last_entry(link, keys))
    start = b"-" if since_ms is None else b"%d" % since_ms
    async for page in entries(link, keys.events, low=start, high=found.last, newest=True):
        for _, fields in page:
            found.read += 1
            found.events += [each for each in reversed(parse_stream_entry(fields)) if wanted(each)]
            if len(found.events) >= limit or found.read >= most:
                found.whole = False
                break
        if not found.whole:
            break
    found.events = found.events[:limit][::-1]
    return found


async def coming(link: Link, keys: Keys, last: bytes) -> tuple[list[Event], bytes]:
    """All events behind the entry `last`, and the id of the newest entry that was read."""
    events: list[Event] = []
    async for page in entries(link, keys.events, low=after(last)):
        events += [event for _, fields in page for event in parse_stream_entry(fields)]
        last = page[-1][0]
    return events, last


async def last_entry(link: Link, keys: Keys) -> bytes:
    """The id of the newest entry of `P:events`; 0-0 if there is none."""
    reply: list[Any] = settled(await link.call("XREVRANGE", keys.events, "+", "-", "COUNT", 1))
    return bytes(reply[0][0]) if reply else SMALLEST
