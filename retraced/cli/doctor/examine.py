"""Runs the checks one after the other; one that fails doesn't end the others."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from retraced.cli.doctor import dead, groups, jobs, known, latency, persistence, rights, server
from retraced.cli.doctor.finding import Finding, unknown
from retraced.errors import Denied, StoreError, Unavailable
from retraced.keys import Keys
from retraced.store.commands import NEEDED
from retraced.store.connection import Link
from retraced.store.reads import rates, workers
from retraced.store.reads.health import discovery, group, samples, weight
from retraced.store.reads.health import server as facts
from retraced.store.reads.replies import redis_now
from retraced.store.rights import lacking
from retraced.store.writes import PROTOCOL, probe

Check = Callable[[], Awaitable[list[Finding]]]


@dataclass(slots=True)
class Examination:
    """One run of doctor. `stream` and `group` narrow it to some groups."""

    link: Link
    stream: str | None = None
    group: str | None = None
    absent_ms: int = groups.HOUR_MS
    user: str = "default"
    info: dict[str, str] = field(default_factory=dict)
    now_ms: int = 0

    async def findings(self) -> AsyncIterator[Finding]:
        """All findings: the server's, then each group's."""
        self.user = await facts.who_am_i(self.link) or self.user
        self.now_ms = await self._now()
        for name, check in self._of_server().items():
            for finding in await self._guarded(name, check):
                yield finding
        found = await self._discovered()
        for finding in found[1]:
            yield finding
        for keys in found[0]:
            async for finding in self._of_group(keys):
                yield finding

    async def _now(self) -> int:
        """By this host's clock where TIME is denied; `latency` tells that."""
        try:
            return await redis_now(self.link)
        except Denied:
            return time.time_ns() // 1_000_000

    async def _guarded(self, name: str, check: Check) -> list[Finding]:
        """A missing right or a surprise makes the check's answer unknown."""
        try:
            return await check()
        except Denied as error:
            return [rights.forbidden(name, str(error), self.user)]
        except Unavailable:
            raise
        except StoreError as error:
            return [unknown(name, f"it couldn't look: {error}", "Look there by hand.")]
        except Exception as error:  # noqa: BLE001 - one check must not end the others
            what = f"{type(error).__name__}: {error}"
            return [unknown(name, f"the check itself failed: {what}", "Report it, please.")]

    def _of_server(self) -> dict[str, Check]:
        return {
            "version": self._info,
            "commands": self._commands,
            "flushed": self._flushed,
            "persistence": self._persistence,
            "latency": self._latency,
            "slow": self._slow,
        }

    async def _info(self) -> list[Finding]:
        """What INFO alone tells."""
        self.info = await facts.server_info(self.link)
        judges = (
            server.version,
            server.cluster,
            server.memory,
            server.eviction,
            server.clients,
            server.replication,
        )
        return [finding for judge in judges for finding in judge(self.info)]

    async def _commands(self) -> list[Finding]:
        return server.commands(await facts.unknown_commands(self.link, NEEDED), len(NEEDED))

    async def _flushed(self) -> list[Finding]:
        return server.flushed(await facts.flushes(self.link))

    async def _persistence(self) -> list[Finding]:
        if not self.info:
            return [unknown("persistence", "INFO couldn't be read", "Allow INFO.")]
        config = None
        try:
            config = await facts.configured(self.link, "save", "appendfsync")
        except Unavailable:
            raise
        except StoreError:  # managed servers forbid CONFIG
            pass
        return persistence.persistence(self.info, config, self.now_ms)

    async def _latency(self) -> list[Finding]:
        seen = await facts.latency(self.link)
        return [*latency.latency(seen), *latency.clock(seen)]

    async def _slow(self) -> list[Finding]:
        return latency.slow(await facts.slow_commands(self.link), self.now_ms)

    async def _discovered(self) -> tuple[list[Keys], list[Finding]]:
        """The groups to look at, and what is wrong with the list of them."""
        if self.stream is not None and self.group is not None:
            return [Keys.of(self.stream, self.group)], []
        groups: list[Keys] = []

        async def look() -> list[Finding]:
            found = await discovery.discover(self.link)
            groups.extend([*found.known, *(keys for keys, _ in found.lost)])
            findings = known.discovery(found, await self._heal(found))
            if found.refused is not None:
                findings.append(rights.forbidden("discovery", str(found.refused), self.user))
            return findings

        findings = await self._guarded("discovery", look)
        wanted = [each for each in groups if self._is_wanted(each)]
        return sorted(wanted, key=lambda each: (each.stream, each.group)), findings

    async def _heal(self, found: discovery.Discovery) -> str | None:
        """Puts lost groups back; why it couldn't, or None."""
        if not found.lost:
            return None
        try:
            await discovery.put_back(self.link, [keys for keys, _ in found.lost])
        except StoreError as error:
            return str(error)
        return None

    def _is_wanted(self, keys: Keys) -> bool:
        return self.stream in (None, keys.stream_name) and self.group in (None, keys.group_name)

    async def _of_group(self, keys: Keys) -> AsyncIterator[Finding]:
        look = GroupLook(self.link, keys, self)
        for name, check in look.checks().items():
            for finding in await self._guarded(name, check):
                yield finding.of(keys.stream_name, keys.group_name)


@dataclass(slots=True)
class GroupLook:
    """The checks of one group; what several need, the first of them reads for all."""

    link: Link
    keys: Keys
    whole: Examination
    _standing: group.Standing | None = None
    _rates: rates.Rates | None = None

    def checks(self) -> dict[str, Check]:
        return {
            "rights": self._rights,
            "reading": self._reading,
            "keys": self._keys,
            "group": self._place,
            "paused": self._paused,
            "workers": self._workers,
            "stalled": self._stalled,
            "consumers": self._consumers,
            "backlog": self._backlog,
            "trimmed": self._trimmed,
            "unhandled": self._unhandled,
            "asks": self._asks,
            "dead": self._dead,
            "deaths": self._deaths,
            "weight": self._weight,
        }

    @property
    def _named(self) -> dict[str, str]:
        return {"stream": self.keys.stream_name, "group": self.keys.group_name}

    async def _stands(self) -> group.Standing:
        if self._standing is None:
            self._standing = await group.standing(self.link, self.keys)
        return self._standing

    async def _rated(self) -> rates.Rates:
        if self._rates is None:
            self._rates = await rates.rates(self.link, self.keys)
        return self._rates

    async def _rights(self) -> list[Finding]:
        missing = await lacking(self.link, self.keys)
        if missing:
            return rights.lacking(missing, self.whole.user)
        try:
            await self.link.run(probe(self.keys))
        except Denied as error:
            return rights.probed(str(error))
        except Unavailable as error:  # a replica, or one that may not write now
            return [
                unknown(
                    "rights",
                    f"they couldn't be tried: {error}",
                    "See `replication` and `persistence`.",
                )
            ]
        return rights.probed(None)

    async def _reading(self) -> list[Finding]:
        asked = facts.readings(self.keys)
        refused = await facts.refusals(self.link, asked)
        denied = {name: str(why) for name, why in refused.items() if isinstance(why, Denied)}
        return rights.readable(denied, self.whole.user, len(asked))

    async def _keys(self) -> list[Finding]:
        return groups.keys(await group.wrong_keys(self.link, self.keys))

    async def _place(self) -> list[Finding]:
        return groups.place(await self._stands(), **self._named, protocol=PROTOCOL)

    async def _paused(self) -> list[Finding]:
        return groups.paused(await self._stands(), **self._named)

    async def _workers(self) -> list[Finding]:
        stands = await self._stands()
        pinned = None
        if not stands.alive:
            try:
                pinned = await group.pinned(self.link, self.keys, stands)
            except Denied:  # without MEMORY USAGE it is told without bytes
                pinned = None
        return groups.workers(stands, pinned, **self._named, absent_ms=self.whole.absent_ms)

    async def _stalled(self) -> list[Finding]:
        return groups.stalled(await workers.beats(self.link, **self._named), **self._named)

    async def _consumers(self) -> list[Finding]:
        left = await group.consumers(self.link, self.keys)
        return groups.consumers(left, **self._named, absent_ms=self.whole.absent_ms)

    async def _backlog(self) -> list[Finding]:
        return groups.backlog(await self._stands(), await self._rated(), **self._named)

    async def _deaths(self) -> list[Finding]:
        return dead.deaths(await self._stands(), await self._rated(), **self._named)

    async def _trimmed(self) -> list[Finding]:
        gone = await samples.vanished(self.link, self.keys)
        return jobs.trimmed(await self._stands(), gone, self.keys)

    async def _unhandled(self) -> list[Finding]:
        seen = await samples.unhandled(self.link, self.keys)
        return jobs.unhandled(seen, **self._named)

    async def _asks(self) -> list[Finding]:
        seen = await samples.wishes(self.link, self.keys)
        return jobs.wishes(seen, (await self._stands()).state.facts, self.keys)

    async def _dead(self) -> list[Finding]:
        return dead.dead(await self._stands(), **self._named)

    async def _weight(self) -> list[Finding]:
        seen = await weight.weigh(self.link, self.keys, await self._stands())
        limit = self.whole.info.get("maxmemory", "0")
        return jobs.weight(seen, int(limit) if limit.isdigit() else 0)
