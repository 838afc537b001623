"""The course of the demo: jobs come, things go wrong, a person helps, and the sums follow."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from retraced.demo import ledger
from retraced.demo.accounts import Account, account
from retraced.demo.orders import BILLING, MAIL, STREAM, Order, Producer, all_orders
from retraced.demo.shop import BANK_IS_OPEN
from retraced.demo.view import Counts, News, Screen, Tone, View
from retraced.demo.watch import LEDGERS, Watch
from retraced.demo.workers import DemoFailed, Workers, environment
from retraced.store.connection import Connector, Link

MOST_S = 90.0
KILL_WHEN_ADDED = 0.5
PRODUCERS = 2
PAUSE_S = 0.12
TICK_S = 0.12
POLL_S = 0.02
VICTIM = f"{MAIL}-2"
YOUNG_MS = 60


class Play:
    """One performance, against the server at `url`, with its files in `directory`."""

    def __init__(self, directory: Path, url: str, screen: Screen) -> None:
        self._directory = directory
        self._url = url
        self._screen = screen
        self._orders = all_orders()
        self._added: dict[str, Order] = {}
        self._news: list[News] = []
        self._counts: Sequence[Counts] = ()
        self._dead_before = 0
        self._start_ms = _now_ms()

    @property
    def story(self) -> str:
        """The job that has the longest story: it died, and was put back."""
        return self._mended[0]

    @property
    def _mended(self) -> tuple[str, Order]:
        return next((job, order) for job, order in self._added.items() if order.mended)

    async def run(self) -> list[Account]:
        """Plays it to the end and gives the sums. Raises DemoFailed when it can't be played."""
        connector = Connector(self._url)
        try:
            async with asyncio.timeout(MOST_S), connector.link() as link:
                return await self._play(link)
        except TimeoutError:
            raise DemoFailed(f"not at its end after {MOST_S:.0f} s: {self._counts}") from None

    async def _play(self, link: Link) -> list[Account]:
        watch = Watch(link, self._added, start_ms=self._start_ms)
        self._tell("", "four workers start, two for each group")
        workers = Workers(self._directory, self._url, tell=self._tell_death)
        async with workers, asyncio.TaskGroup() as tasks:
            showing = tasks.create_task(self._keep_showing(watch, workers))
            await self._acts(watch, workers)
            showing.cancel()
        await self._show(watch, workers)
        return [account(each, workers.deaths) for each in await watch.evidence(self._directory)]

    async def _acts(self, watch: Watch, workers: Workers) -> None:
        await _until(watch.have_begun)
        self._tell("", f"both groups have begun; {PRODUCERS} producers say XADD over plain sockets")
        async with asyncio.TaskGroup() as tasks:
            for number in range(PRODUCERS):
                tasks.create_task(self._produce(self._orders[number::PRODUCERS]))
            tasks.create_task(self._kill_one(workers))
        await _until(self._all_ended)
        await self._put_back()
        await _until(self._put_back_is_done)

    async def _produce(self, orders: Sequence[Order]) -> None:
        address = urlsplit(self._url)
        assert address.hostname is not None
        assert address.port is not None
        producer = Producer(address.hostname, address.port, pause_s=PAUSE_S)
        await producer.add(orders, self._added)

    async def _kill_one(self, workers: Workers) -> None:
        """Half-way, and only while it runs something: a run that has just begun is cut off."""
        path = self._directory / LEDGERS[MAIL]

        async def is_at_work() -> bool:
            if len(self._added) < KILL_WHEN_ADDED * len(self._orders):
                return False
            runs = [run for run in ledger.read(path) if run.worker == VICTIM and not run.end]
            return any(run.began_ms > _now_ms() - YOUNG_MS for run in runs)

        await _until(is_at_work)
        workers.kill(VICTIM)

    async def _all_ended(self) -> bool:
        """Whether every job is done or dead in both groups."""
        return len(self._added) == len(self._orders) and all(
            group.done + group.dead == len(self._added)
            and not (group.queued or group.held or group.delayed)
            for group in self._counts
        )

    async def _put_back(self) -> None:
        """What a person does when the cause is mended, with the command for it."""
        job, order = self._mended
        self._dead_before = self._dead()
        (self._directory / BANK_IS_OPEN).touch()
        command = ("dlq", "requeue", STREAM, job, "--group", BILLING)
        self._tell(BILLING, f"the bank opens: retraced {' '.join(command)}", order.name)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "retraced", "--url", self._url, *command),
            cwd=self._directory,
            env=environment(self._directory),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        if process.returncode:
            raise DemoFailed(f"putting back {job} failed: {errors.decode(errors='replace')}")

    async def _put_back_is_done(self) -> bool:
        return self._dead() < self._dead_before and await self._all_ended()

    def _dead(self) -> int:
        return next(each.dead for each in self._counts if each.group == BILLING)

    async def _keep_showing(self, watch: Watch, workers: Workers) -> None:
        while True:
            await self._show(watch, workers)
            await asyncio.sleep(TICK_S)

    async def _show(self, watch: Watch, workers: Workers) -> None:
        self._news += await watch.news()
        self._counts = await watch.counts()
        self._screen.show(
            View(
                elapsed_ms=_now_ms() - self._start_ms,
                added=len(self._added),
                total=len(self._orders),
                workers=workers.living,
                groups=self._counts,
                news=self._news,
            )
        )

    def _tell(self, group: str, text: str, who: str = "", tone: Tone = Tone.GOOD) -> None:
        self._news.append(News(_now_ms() - self._start_ms, group, who, text, tone))

    def _tell_death(self, group: str, text: str) -> None:
        self._tell(group, text, tone=Tone.BAD)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():  # noqa: ASYNC110 - it is Redis, or files, that changes
        await asyncio.sleep(POLL_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
