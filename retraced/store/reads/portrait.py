"""All about one group, for `groups show`: its jobs, workers, rates, times and settings."""

from __future__ import annotations

from dataclasses import dataclass

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.groups import GroupSummary, StreamFacts, summary
from retraced.store.reads.heartbeat import Heartbeat
from retraced.store.reads.rates import GroupTimes, Rates, rates, times
from retraced.store.reads.replies import pairs, text
from retraced.store.reads.workers import workers_of


@dataclass(frozen=True, slots=True)
class Portrait:
    """`entries`: of the whole stream. `settings`: the stream's, as `retain`."""

    group: GroupSummary
    entries: int
    workers: tuple[Heartbeat, ...]
    rates: Rates
    times: GroupTimes
    settings: dict[str, str]


async def portrait(link: Link, keys: Keys, facts: StreamFacts) -> Portrait:
    """All about the group of `keys`; `facts` are those of its stream."""
    settings = pairs(await link.call("HGETALL", keys.settings))
    return Portrait(
        group=await summary(link, keys, facts),
        entries=facts.entries,
        workers=tuple(await workers_of(link, keys)),
        rates=await rates(link, keys),
        times=await times(link, keys),
        settings={text(name): text(value) for name, value in settings.items()},
    )
