"""How long jobs waited and ran, counted in this process until it is added up in Redis.

A completed job costs a comparison and two increments; Redis hears of it every ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from retraced.histogram import bucket
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.writes import Author, Done, measure

if TYPE_CHECKING:
    from retraced.worker.delivery import Delivery

MOST_TYPES = 200
LONGEST_TYPE = 100
OTHER = "(other)"
FIELDS_AT_ONCE = 1000
_BUCKETS = 256  # a 64 bit number of ms has one below that
_SMALL = tuple(bucket(ms) for ms in range(1024))
_NOBODYS: list[int] = []

Times = dict[bytes, int]


class Measures:
    """Counts of wait and run times by type. What is taken must be written, or put back."""

    def __init__(self) -> None:
        self._by_type: dict[str, tuple[list[int], list[int]]] = {}
        self._put_back: Times = {}

    def __bool__(self) -> bool:
        return bool(self._by_type or self._put_back)

    def add(self, type: str, wait_ms: int, run_ms: int) -> None:  # noqa: A002 - the wire's word
        """An attempt of this type was due for so long before it began, and then ran so long."""
        waits, runs = self._by_type.get(type) or self._counts_of(type)
        waits[bucket(wait_ms)] += 1
        runs[bucket(run_ms)] += 1

    def completed(self, batch: Sequence[Delivery], done: Sequence[Done]) -> None:
        """The same for jobs that completed together, as quickly as it goes."""
        small, most, last = _SMALL, len(_SMALL), None
        waits = runs = _NOBODYS
        for delivery, (_, _, wait_ms, run_ms) in zip(batch, done, strict=True):
            name = delivery.entry.type
            if name != last:
                last = name
                waits, runs = self._by_type.get(name) or self._counts_of(name)
            waits[small[wait_ms] if 0 <= wait_ms < most else bucket(wait_ms)] += 1
            runs[small[run_ms] if 0 <= run_ms < most else bucket(run_ms)] += 1

    def take(self) -> Times:
        """All that was counted, as fields of `P:times`: `<w or r>:<bucket>:<type>`, and forgets."""
        times, self._put_back = self._put_back, {}
        by_type, self._by_type = self._by_type, {}
        for name, counts in by_type.items():
            for kind, numbers in zip(("w", "r"), counts, strict=True):
                for place, count in enumerate(numbers):
                    if count:
                        field = f"{kind}:{place}:{name}".encode()
                        times[field] = times.get(field, 0) + count
        return times

    def put_back(self, times: Times) -> None:
        """What was taken and couldn't be written."""
        for field, count in times.items():
            self._put_back[field] = self._put_back.get(field, 0) + count

    def _counts_of(self, type: str) -> tuple[list[int], list[int]]:  # noqa: A002
        full = len(self._by_type) >= MOST_TYPES
        name = OTHER if full else type[:LONGEST_TYPE]
        return self._by_type.setdefault(name, ([0] * _BUCKETS, [0] * _BUCKETS))


async def flush(link: Link, keys: Keys, author: Author, measures: Measures) -> None:
    """Adds what was counted to the group's times, and notes its counters, in bounded calls.

    Raises a `StoreError`; what wasn't written is counted again next time.
    """
    times = measures.take()
    parts = list(_parts(times)) or [{}]
    for place, part in enumerate(parts):
        try:
            await link.run(measure(keys, author, part))
        except BaseException:
            for left in parts[place:]:
                measures.put_back(left)
            raise


def _parts(times: Times) -> Iterator[Times]:
    left = iter(times.items())
    while part := dict(islice(left, FIELDS_AT_ONCE)):
        yield part
