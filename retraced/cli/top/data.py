"""What `top` shows, read from Redis in bounded steps: one `Snapshot` a refresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from time import monotonic

from retraced.cli.top.meter import Meter, Pace
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.activity import Watch
from retraced.store.reads.dead import DeadLetter, dead_letters
from retraced.store.reads.groups import known_groups
from retraced.store.reads.heartbeat import Heartbeat
from retraced.store.reads.held import Holding
from retraced.store.reads.overview import GroupView, overview
from retraced.store.reads.rates import Times, times

MOST_GROUPS = 200
MOST_LETTERS = 100
_DISCOVER_EVERY_S = 10.0
_TIMES_EVERY_S = 60.0
_GROUPS_OF_LETTERS = 20
_LEAST_RUNS = 10


class View(Enum):
    """The four things that `top` can show."""

    GROUPS = 1
    HELD = 2
    WORKERS = 3
    DEAD = 4


@dataclass(frozen=True, slots=True)
class Scope:
    """Which streams and groups are meant; None: all."""

    stream: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Buried:
    """A dead letter and whose it is."""

    keys: Keys
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One refresh, at a Redis time in ms. What its view doesn't show is empty.

    `left_out`: groups beyond the first 200. `p99`: run time in ms by (group's prefix, type).
    """

    now_ms: int
    groups: tuple[GroupView, ...] = ()
    left_out: int = 0
    paces: Mapping[bytes, Pace] = field(default_factory=dict)
    workers: tuple[Heartbeat, ...] = ()
    held: tuple[Holding, ...] = ()
    letters: tuple[Buried, ...] = ()
    p99: Mapping[tuple[bytes, str], float] = field(default_factory=dict)


class Source:
    """Reads snapshots over one link, one after the other."""

    def __init__(self, link: Link, scope: Scope) -> None:
        self._link = link
        self._scope = scope
        self._known: list[Keys] = []
        self._known_at: float | None = None
        self._meter = Meter()
        self._watch = Watch()
        self._p99: dict[bytes, tuple[float, dict[str, float]]] = {}
        self._graves: dict[bytes, tuple[tuple[int, int, int], list[DeadLetter]]] = {}

    async def read(self, view: View) -> Snapshot:
        """All that the view shows. Raises StoreErrors."""
        known = await self._groups()
        now_ms, groups = await overview(self._link, known[:MOST_GROUPS])
        sound = [group for group in groups if not group.trouble]
        workers: list[Heartbeat] = []
        held: list[Holding] = []
        letters: list[Buried] = []
        if view in (View.HELD, View.WORKERS):
            workers = await self._watch.workers(self._link, sound, now_ms)
        if view is View.HELD:
            held = await self._watch.held(self._link, sound, workers)
            await self._learn_times(sound)
        if view is View.DEAD:
            letters = await self._letters(sound)
        meter = self._meter
        return Snapshot(
            now_ms=now_ms,
            groups=tuple(groups),
            left_out=max(len(known) - MOST_GROUPS, 0),
            paces={g.keys.prefix: meter.pace(g.keys.prefix, now_ms, g.counters) for g in sound},
            workers=tuple(workers),
            held=tuple(held),
            letters=tuple(letters),
            p99={(p, name): ms for p, (_, each) in self._p99.items() for name, ms in each.items()},
        )

    def forget(self) -> None:
        """What was remembered may be wrong: something was written."""
        self._graves.clear()

    async def _groups(self) -> list[Keys]:
        """Which groups there are, looked up every ten seconds."""
        stream, group = self._scope.stream, self._scope.group
        if stream is not None and group is not None:
            return [Keys.of(stream, group)]
        if self._known_at is None or monotonic() - self._known_at > _DISCOVER_EVERY_S:
            found = await known_groups(self._link)
            self._known = [
                Keys.of(known, name)
                for known, name in found
                if stream in (None, known) and group in (None, name)
            ]
            self._known_at = monotonic() if found else None
        return self._known

    async def _learn_times(self, groups: Sequence[GroupView]) -> None:
        """The run times of one busy group, if its last ones are a minute old: one a refresh."""
        now = monotonic()
        for group in groups:
            prefix = group.keys.prefix
            at, _ = self._p99.get(prefix, (now - 2 * _TIMES_EVERY_S, None))
            if group.counts.held and now - at > _TIMES_EVERY_S:
                found = (await times(self._link, group.keys)).types
                self._p99[prefix] = (now, _p99s(found))
                return

    async def _letters(self, groups: Sequence[GroupView]) -> list[Buried]:
        """The newest of each group, at most about 100, read again where something died or left."""
        full = [group for group in groups if group.counts.dead][:_GROUPS_OF_LETTERS]
        share = MOST_LETTERS // max(len(full), 1)
        found: list[Buried] = []
        for group in full:
            version = (group.counts.dead, group.counters["dead"], share)
            before, letters = self._graves.get(group.keys.prefix, (None, []))
            if before != version:
                letters = await dead_letters(self._link, group.keys, limit=share)
                self._graves[group.keys.prefix] = (version, letters)
            found += [Buried(group.keys, letter) for letter in letters]
        return sorted(found, key=lambda each: -each.letter.died_ms)


def _p99s(found: Mapping[str, Times]) -> dict[str, float]:
    """By type, of those that have run often enough."""
    return {
        name: each.run.p99
        for name, each in found.items()
        if each.run.p99 is not None and each.run.count >= _LEAST_RUNS
    }
