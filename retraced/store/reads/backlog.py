"""How many entries of a stream a group hasn't read yet, counted from ids.

XINFO's `lag` is missing or wrong after deletions and trims (REDIS: lag 3 with one entry unread), so
entries are counted: those before the group's last delivered id and those behind it, page by page
in turn. Whichever side ends first gives the exact number; the other one follows from XLEN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retraced.store.connection import Link
from retraced.store.reads.paging import FIRST_PAGE, next_count
from retraced.store.reads.replies import after, settled

_MOST = 10_000
_MOST_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Count:
    """A number of entries; not `exact` means that there are at least so many."""

    value: int
    exact: bool = True

    def __str__(self) -> str:
        return f"{self.value:,}" if self.exact else f"{self.value:,}+"


@dataclass(slots=True)
class _Side:
    """One side of the last delivered id: where the next page begins, what was counted."""

    start: bytes
    end: bytes
    counted: int = 0
    ended: bool = False
    page: int = FIRST_PAGE


async def unread(
    link: Link, stream: bytes, *, length: int, last_delivered: bytes, most: int = _MOST
) -> Count:
    """Entries behind `last_delivered` in a stream of `length` entries; reads at most 2 * `most`."""
    if length == 0:
        return Count(0)
    behind = _Side(after(last_delivered), b"+")
    before = _Side(b"-", last_delivered)
    size = 0
    while behind.counted < most and size < _MOST_BYTES:
        size += await _next_page(link, stream, behind)
        if behind.ended:
            return Count(behind.counted)
        size += await _next_page(link, stream, before)
        if before.ended:
            return Count(max(length - before.counted, behind.counted))
    return Count(min(behind.counted, most), exact=False)


async def between(
    link: Link, stream: bytes, *, behind: bytes, before: bytes, most: int = 1_000
) -> Count:
    """Entries of a stream behind one id and before another; counts no more than `most`."""
    side, size = _Side(after(behind), after(before)), 0
    while side.counted < most and size < _MOST_BYTES:
        size += await _next_page(link, stream, side)
        if side.ended:
            return Count(side.counted)
    return Count(min(side.counted, most), exact=False)


async def _next_page(link: Link, stream: bytes, side: _Side) -> int:
    """Counts one more page of a side, a small one where entries are large; gives its bytes."""
    reply: list[Any] = settled(
        await link.call("XRANGE", stream, side.start, side.end, "COUNT", side.page)
    )
    side.counted += len(reply)
    side.ended = len(reply) < side.page
    if reply:
        side.start = after(reply[-1][0])
        side.page = next_count(reply)
    return sum(len(value) for _, fields in reply for value in fields)
