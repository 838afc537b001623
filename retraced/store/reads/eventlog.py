"""One job's events in `P:events`, looked for in bounded pages.

A job's events are written after it was added, by the same clock, so the search begins at the time
in its id and goes on to the newest; when the budget ends before that, the newest pages are read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from retraced.events import Event, find
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import after, id_parts, settled

_PAGE = 200
_NEWEST_PAGES = 25


@dataclass(slots=True)
class Search:
    """What was found, and how far the search went. `gap`: entries in the middle weren't read."""

    events: list[Event] = field(default_factory=list)
    read: int = 0
    gap: bool = False
    oldest_ms: int | None = None
    last: bytes = b"0-0"


async def search(
    link: Link, keys: Keys, job: bytes, *, since_ms: int | None, most: int = 50_000
) -> Search:
    """The events of a job: `most` entries from `since_ms` (None: the oldest), then the newest.

    `last` is the id of the newest entry of `P:events`, to go on from with `following`.
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
    start = b"-" if since_ms is None else b"%d-0" % since_ms
    reached = await _forward(link, keys, job, found, start=start, most=most)
    if reached is not None:
        await _backward(link, keys, job, found, stop=reached)
    return found


async def following(link: Link, keys: Keys, job: bytes, last: bytes) -> tuple[list[Event], bytes]:
    """The job's events behind the entry `last`, and the id of the newest entry that was read."""
    events: list[Event] = []
    while True:
        page: list[Any] = settled(
            await link.call("XRANGE", keys.events, after(last), "+", "COUNT", _PAGE)
        )
        events += [event for _, fields in page if (event := find(fields, job))]
        if page:
            last = page[-1][0]
        if len(page) < _PAGE:
            return events, last


async def _forward(
    link: Link, keys: Keys, job: bytes, found: Search, *, start: bytes, most: int
) -> bytes | None:
    """Reads upwards from `start`; gives the last id read if the budget ended before the stream."""
    while True:
        page: list[Any] = settled(
            await link.call("XRANGE", keys.events, start, found.last, "COUNT", _PAGE)
        )
        _take(found, page, job)
        if len(page) < _PAGE:
            return None
        if found.read >= most:
            return bytes(page[-1][0])
        start = after(page[-1][0])


async def _backward(link: Link, keys: Keys, job: bytes, found: Search, *, stop: bytes) -> None:
    """Reads the newest pages, down to `stop`; what lies between is the gap."""
    newest: list[Event] = []
    end = found.last
    for _ in range(_NEWEST_PAGES):
        page: list[Any] = settled(
            await link.call("XREVRANGE", keys.events, end, after(stop), "COUNT", _PAGE)
        )
        newest += [event for _, fields in page if (event := find(fields, job))]
        found.read += len(page)
        if len(page) < _PAGE:
            break
        end = after(page[-1][0])
    else:
        found.gap = True
    found.events += reversed(newest)


def _take(found: Search, page: list[Any], job: bytes) -> None:
    found.read += len(page)
    found.events += [event for _, fields in page if (event := find(fields, job))]
