"""About how much memory a group's own keys and the records of its jobs take."""

from __future__ import annotations

from dataclasses import dataclass

from retraced.keys import Keys, unpadded
from retraced.store.connection import Link
from retraced.store.reads.dead import dead_letters
from retraced.store.reads.health.group import Standing, fixed_keys
from retraced.store.reads.health.samples import affordable
from retraced.store.reads.replies import number, settled, text

_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Weight:
    """About how many bytes each key takes; `records` are estimated from a sample."""

    keys: dict[str, int]
    records: int
    record_bytes: int

    @property
    def total(self) -> int:
        return sum(self.keys.values()) + self.record_bytes


async def weigh(link: Link, keys: Keys, standing: Standing) -> Weight:
    """MEMORY USAGE of the group's own keys, and of a sample of its records."""
    fixed = [key for key in fixed_keys(keys) if key not in (keys.stream, keys.settings)]
    sizes = await _sizes(link, fixed)
    finished = number(await link.call("ZCARD", keys.finished))
    waiting, ended = [
        await _record_size(link, keys, zset) for zset in (keys.delayed, keys.finished)
    ]
    dead = await _dead_record_size(link, keys)
    size = standing.counts.delayed * waiting + finished * ended + standing.counts.dead * dead
    records = standing.counts.delayed + standing.counts.dead + finished
    named = {
        text(key[len(keys.prefix) + 1 :]): size for key, size in zip(fixed, sizes, strict=True)
    }
    return Weight(named, records, size)


async def _record_size(link: Link, keys: Keys, zset: bytes) -> int:
    """About how many bytes a record of the jobs in this set takes; 0 if there is none."""
    members: list[bytes] = await link.call("ZRANGE", zset, 0, _SAMPLES - 1)
    return await _typical_size(link, [keys.job(unpadded(member)) for member in members])


async def _dead_record_size(link: Link, keys: Keys) -> int:
    """The same for dead jobs, whose records are found by their letters."""
    letters = await dead_letters(link, keys, limit=min(_SAMPLES, await affordable(link, keys.dlq)))
    return await _typical_size(link, [keys.job(letter.job) for letter in letters])


async def _typical_size(link: Link, records: list[bytes]) -> int:
    found = [size for size in await _sizes(link, records) if size]
    return sum(found) // len(found) if found else 0


async def _sizes(link: Link, keys: list[bytes]) -> list[int]:
    asked = [("MEMORY", "USAGE", key, "SAMPLES", _SAMPLES) for key in keys]
    return [number(settled(reply)) for reply in await link.calls(asked)] if asked else []
