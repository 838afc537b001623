"""The events in `P:events`, in bounded pages: those of one job, and those that come.

A job's events are written after it was added, by the same clock, so a search begins at the time in
its id. 100,000 entries, which is as many as are kept, are read in well under a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from retraced.events import ENDINGS, Event, find
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import SMALLEST, after, id_parts, settled

_FIRST_PAGE = 100
_LARGEST_PAGE = 500
_PAGE_BYTES = 512 * 1024
_MOST = 200_000

Page = list[tuple[bytes, list[bytes]]]


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
    async for page in pages(link, keys.events, start=start, end=end):
        found.read += len(page)
        found.events += [event for _, fields in page if (event := find(fields, job))]
        if found.events and found.events[-1].name in ENDINGS:
            return found
        if found.read >= most:
            found.gap = True
            return found
    return found


async def pages(
    link: Link, key: bytes, *, start: bytes = b"-", end: bytes = b"+", backwards: bool = False
) -> AsyncIterator[Page]:
    """The entries of a stream from `start` to `end`, or back, in pages of about half a megabyte."""
    command = b"XREVRANGE" if backwards else b"XRANGE"
    count = _FIRST_PAGE
    while True:
        bounds = (end, start) if backwards else (start, end)
        page: Page = settled(await link.call(command, key, *bounds, "COUNT", count))
        if page:
            yield page
        if len(page) < count:
            return
        if backwards:
            end = after(page[-1][0])
        else:
            start = after(page[-1][0])
        count = fitting(page)


def fitting(page: Page) -> int:
    """How many entries to ask for next, if they are as large as these."""
    size = sum(len(value) for _, fields in page for value in fields or ())
    return max(1, min(_LARGEST_PAGE, _PAGE_BYTES * len(page) // max(size, 1)))


async def following(link: Link, keys: Keys, job: bytes, last: bytes) -> tuple[list[Event], bytes]:
    """The job's events behind the entry `last`, and the id of the newest entry that was read."""
    events: list[Event] = []
    async for page in pages(link, keys.events, start=after(last)):
        events += [event for _, fields in page if (event := find(fields, job))]
        last = page[-1][0]
    return events, last


async def last_entry(link: Link, keys: Keys) -> bytes:
    """The id of the newest entry of `P:events`; 0-0 if there is none."""
    reply: list[Any] = settled(await link.call("XREVRANGE", keys.events, "+", "-", "COUNT", 1))
    return bytes(reply[0][0]) if reply else SMALLEST
