"""When to read again: never two at once, seldomer when Redis is slow, and on after it was away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Generic, TypeVar

from retraced.errors import StoreError

T = TypeVar("T")

_AT_MOST_S = 10.0  # for one refresh, and between two tries while Redis is away
_SHARE = 2  # a refresh that takes long is followed by a pause so many times as long
_SLOWEST_S = 30.0


class Health(StrEnum):
    """How the reading goes."""

    STARTING = "starting"
    LIVE = "live"
    SLOW = "slow"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Condition:
    """How the last refresh went, and in how many seconds the next one comes.

    `since`: when it began to be so, monotonic seconds; `error`: why there was none.
    """

    health: Health
    pause_s: float
    took_s: float = 0.0
    since: float = 0.0
    error: str = ""


class Refresher(Generic[T]):
    """Reads again and again and shows what came, or that nothing came."""

    def __init__(
        self,
        read: Callable[[], Awaitable[T]],
        show: Callable[[T | None, Condition], None],
        *,
        every_s: float,
    ) -> None:
        self._read = read
        self._show = show
        self._every_s = every_s
        self._wanted = asyncio.Event()
        self._condition = Condition(Health.STARTING, every_s, since=monotonic())
        self._failed = 0
        self._began: float | None = None

    @property
    def waiting_s(self) -> float:
        """For how long the read that is under way has been waiting; 0 between reads."""
        return 0.0 if self._began is None else monotonic() - self._began

    def hurry(self) -> None:
        """Reads at once, or once more if a read is under way."""
        self._wanted.set()

    async def run(self) -> None:
        while True:
            self._wanted.clear()
            self._show(*await self._once())
            try:
                async with asyncio.timeout(self._condition.pause_s):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def _once(self) -> tuple[T | None, Condition]:
        self._began = began = monotonic()
        try:
            async with asyncio.timeout(_AT_MOST_S):
                found: T | None = await self._read()
        except (StoreError, TimeoutError) as error:
            said = str(error) or f"no answer in {_AT_MOST_S:.0f} s"
            return None, self._now(Health.AWAY, monotonic() - began, said)
        finally:
            self._began = None
        took_s = monotonic() - began
        slow = took_s > self._every_s
        return found, self._now(Health.SLOW if slow else Health.LIVE, took_s)

    def _now(self, health: Health, took_s: float, error: str = "") -> Condition:
        self._failed = self._failed + 1 if health is Health.AWAY else 0
        match health:
            case Health.AWAY:
                pause_s = min(max(self._every_s, 2.0 ** min(self._failed - 1, 10)), _AT_MOST_S)
            case Health.SLOW:
                pause_s = min(max(self._every_s, took_s * _SHARE), _SLOWEST_S)
            case _:
                pause_s = self._every_s
        before = self._condition
        since = before.since if before.health is health else monotonic() - took_s
        self._condition = Condition(health, pause_s, took_s, since, error)
        return self._condition
