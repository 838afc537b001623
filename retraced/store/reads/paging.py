"""Streams, pending lists and sorted sets read in pages that take Redis about a millisecond each.

Each is a generator of pages, newest or oldest first, from a position that the last page gave.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import after, if_group, settled

MOST_IN_PAGE = 500
FIRST_PAGE = 20
_PAGE_BYTES = 256 * 1024
_MOST_PENDING = 200_000

Entries = AsyncGenerator[list[tuple[bytes, list[bytes]]], None]


@dataclass(frozen=True, slots=True)
class Pending:
    """A row of XPENDING."""

    entry: bytes
    consumer: bytes
    idle_ms: int
    count: int


async def entries(
    link: Link,
    key: bytes,
    *,
    low: bytes = b"-",
    high: bytes = b"+",
    newest: bool = False,
    most: int = MOST_IN_PAGE,
) -> Entries:
    """(id, flat fields) of a stream between two ids (exclusive as `(id`), in pages of `most`."""
    command, start, end = ("XREVRANGE", high, low) if newest else ("XRANGE", low, high)
    count = min(FIRST_PAGE, most)
    while True:
        reply: list[Any] = settled(await link.call(command, key, start, end, "COUNT", count))
        if reply:
            yield [(entry, fields) for entry, fields in reply]
        if len(reply) < count:
            return
        start = after(reply[-1][0])
        count = next_count(reply, most)


async def pending(
    link: Link,
    keys: Keys,
    key: bytes,
    *,
    low: bytes = b"-",
    high: bytes = b"+",
    newest: bool = False,
) -> AsyncGenerator[list[Pending], None]:
    """What is pending on `key`, by entry id. Redis lists upwards only: newest first comes whole."""
    rows: list[Pending] = []
    start = low
    while True:
        reply = await link.calls([("XPENDING", key, keys.group, start, high, MOST_IN_PAGE)])
        page = [Pending(*row) for row in if_group(reply[0], [])]
        if newest:
            rows += page
        elif page:
            yield page
        if len(page) < MOST_IN_PAGE or len(rows) >= _MOST_PENDING:
            break
        start = after(page[-1].entry)
    rows.reverse()
    for first in range(0, len(rows), MOST_IN_PAGE):
        yield rows[first : first + MOST_IN_PAGE]


async def scored(
    link: Link, key: bytes, *, beyond: tuple[int, bytes] | None = None, newest: bool = False
) -> AsyncGenerator[list[tuple[bytes, int]], None]:
    """(member, score) of a sorted set behind a (score, member), in pages.

    Works by score, not by rank: what is removed meanwhile shifts nothing.
    """
    while True:
        page = await _scores(link, key, beyond, newest)
        if page:
            yield page
            member, score = page[-1]
            beyond = score, member
        if len(page) < MOST_IN_PAGE:
            return


def next_count(page: Sequence[Any], most: int = MOST_IN_PAGE) -> int:
    """How many entries to ask for: as many as fill a page if they are as large as the last."""
    size = sum(len(part) for _, fields in page for part in fields)
    fitting = _PAGE_BYTES * len(page) // max(size, 1)
    return max(1, min(fitting, 10 * len(page), most))


async def _scores(
    link: Link, key: bytes, beyond: tuple[int, bytes] | None, newest: bool
) -> list[tuple[bytes, int]]:
    """One page: from the rank of the member before it or, if that is gone, from its score on."""
    start = 0 if beyond is None else await _rank_behind(link, key, beyond, newest)
    command = "ZREVRANGE" if newest else "ZRANGE"
    reply = settled(await link.call(command, key, start, start + MOST_IN_PAGE - 1, "WITHSCORES"))
    return [
        (member, int(float(score))) for member, score in zip(reply[::2], reply[1::2], strict=True)
    ]


async def _rank_behind(link: Link, key: bytes, beyond: tuple[int, bytes], newest: bool) -> int:
    score, member = beyond
    command = "ZREVRANK" if newest else "ZRANK"
    less, more = (f"({score}", "+inf") if newest else ("-inf", f"({score}")
    rank, now_at, count = await link.calls(
        [(command, key, member), ("ZSCORE", key, member), ("ZCOUNT", key, less, more)]
    )
    if settled(rank) is not None and int(float(settled(now_at))) == score:
        return int(rank) + 1
    return await _among_ties(link, key, beyond, first=int(settled(count)), newest=newest)


async def _among_ties(
    link: Link, key: bytes, beyond: tuple[int, bytes], *, first: int, newest: bool
) -> int:
    """Where the removed member would stand among those of its score, which are in their order."""
    score, member = beyond
    bounds = (score, score)
    low, high = first, first + int(await link.call("ZCOUNT", key, *bounds))
    command = "ZREVRANGE" if newest else "ZRANGE"
    while low < high:
        middle = (low + high) // 2
        found = settled(await link.call(command, key, middle, middle))
        passed = bool(found) and (found[0] >= member if newest else found[0] <= member)
        low, high = (middle + 1, high) if passed else (low, middle)
    return low
