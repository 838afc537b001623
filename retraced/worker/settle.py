"""Writes what follows from outcomes: group commit, and again until Redis has answered.

While one batch is on its way the next one gathers, so a busy worker settles by the hundred and an
idle one at once. A delivery stays held, and its lease renewed, until its settlement is answered.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, assert_never

from retraced.errors import GroupMissing, ScriptFailed, StoreError, WrongType
from retraced.log import Log
from retraced.outcome import Bury, Complete, Delay, Drop, Release, Settlement
from retraced.store import writes
from retraced.store.connection import Link
from retraced.store.scripts import Call
from retraced.store.writes import Answer, Author
from retraced.worker import finished, trouble, unusable
from retraced.worker.delivery import Delivery
from retraced.worker.patience import Patience
from retraced.worker.subscription import Subscription
from retraced.worker.tally import Tally, log_settlement, names

COMPLETIONS = 200
BODIES = 50
UNUSABLE_S = 5.0  # until a job is tried again whose record is a key of another type

Job = tuple[Delivery, Settlement]
_COMPLETE = Complete()


class Settler:
    """The settlements of one subscription, on a link that the worker's subscriptions share."""

    def __init__(
        self,
        subscription: Subscription,
        link: Link,
        *,
        author: Author,
        page: int,
        log: Log,
        tally: Tally,
        settled: Callable[[Sequence[Delivery]], None],
    ) -> None:
        self.subscription = subscription
        self._link = link
        self._author = author
        self._page = page
        self._log = log
        self._tally = tally
        self._settled = settled
        self._completed: deque[Delivery] = deque()
        self._others: deque[Job] = deque()
        self._most: int | None = None
        self._unusable: list[Job] = []
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def unsettled(self) -> int:
        return self._queued + len(self._unusable)

    @property
    def unusable(self) -> int:
        """Those of them whose record is a key of another type."""
        return len(self._unusable)

    @property
    def _queued(self) -> int:
        return len(self._completed) + len(self._others)

    def complete(self, delivery: Delivery) -> None:
        self._completed.append(delivery)
        self._work.set()

    def settle(self, delivery: Delivery, settlement: Settlement) -> None:
        if isinstance(settlement, Complete):
            self._completed.append(delivery)
        else:
            self._others.append((delivery, settlement))
        self._work.set()

    async def drained(self) -> None:
        """Returns when everything handed over has been answered."""
        while self.unsettled or not self._idle.is_set():
            self._work.set()
            await asyncio.sleep(0)
            await self._idle.wait()

    async def run(self) -> None:
        patience = Patience()
        while True:
            await self._work.wait()
            self._work.clear()
            self._idle.clear()
            while self._queued:
                try:
                    await self._flush()
                except StoreError as error:
                    trouble.report(self._log, self._part, error)
                    await patience.wait()
                else:
                    trouble.over(self._log, self._part)
                    patience.reset()
            if not self._unusable:
                self._idle.set()

    @property
    def _part(self) -> str:
        return f"settle {self.subscription.stream}"

    async def _flush(self) -> None:
        failure: StoreError | None = None
        if self._completed:
            try:
                await self._complete(_take(self._completed, self._most or COMPLETIONS))
            except StoreError as error:
                failure = error
        if self._others:
            await self._write(_take_alike(self._others, self._most or BODIES))
        if failure is not None:
            raise failure
        if not self._queued:
            self._most = None

    def _refused(self, error: StoreError, *, batch: int) -> bool:
        """Whether this one job can't be settled now: it goes behind the others.

        A script that fails refuses its whole batch, so from then on each goes alone.
        """
        if not isinstance(error, ScriptFailed | WrongType):
            return False
        self._most = 1
        return batch == 1

    async def _complete(self, batch: list[Delivery]) -> None:
        done = [writes.Done(d.held, d.carried.attempt + 1, d.wait_ms(), d.run_ms) for d in batch]
        call = writes.complete(self.subscription.keys, self._author, done, page=self._page)
        try:
            answers: Sequence[Answer] = await self._link.run(call)
        except GroupMissing:  # with the group went what was pending in it
            answers = [Answer.GONE] * len(batch)
        except StoreError as error:
            if self._refused(error, batch=len(batch)):
                self._completed.extend(batch)
            else:
                self._completed.extendleft(reversed(batch))
            raise
        self._completed_all(batch, done, answers)

    def _completed_all(
        self, batch: list[Delivery], done: list[writes.Done], answers: Sequence[Answer]
    ) -> None:
        if self._log.verbose or answers.count(Answer.OK) < len(batch):
            for delivery, answer in zip(batch, answers, strict=True):
                if answer is Answer.WRONG:
                    self._put_aside(delivery, _COMPLETE)
                else:
                    self._answered(delivery, _COMPLETE, answer)
            return
        finished.count_completed(self.subscription, batch, done)
        self.subscription.forget(batch)
        self._settled(batch)
        self._tally.done += len(batch)

    async def _write(self, batch: list[Job]) -> None:
        try:
            answers = await self._answers(batch)
        except StoreError as error:
            if self._refused(error, batch=len(batch)):
                self._others.extend(batch)
            else:
                self._others.extendleft(reversed(batch))
            raise
        for (delivery, settlement), answer in zip(batch, answers, strict=True):
            if answer is Answer.LATER:
                self._others.append((delivery, settlement))
            elif answer is Answer.WRONG:
                self._put_aside(delivery, settlement)
            else:
                self._answered(delivery, settlement, answer)

    def _put_aside(self, delivery: Delivery, settlement: Settlement) -> None:
        """Someone wrote over the job's record: it stays held, and is tried again after a while."""
        unusable.report(self._log, self.subscription, self.subscription.keys.job(delivery.job))
        if not self._unusable:
            asyncio.get_running_loop().call_later(UNUSABLE_S, self._try_again)
        self._unusable.append((delivery, settlement))

    def _try_again(self) -> None:
        aside, self._unusable = self._unusable, []
        for delivery, settlement in aside:
            self.settle(delivery, settlement)

    async def _answers(self, batch: list[Job]) -> Sequence[Answer]:
        try:
            match batch[0][1]:
                case Delay():
                    return await self._delay(batch)
                case Bury():
                    return await self._link.run(self._burials(batch))
                case Release():
                    return await self._link.run(self._releases(batch))
                case Drop():
                    return await self._link.run(self._drops(batch))
                case Complete():
                    raise AssertionError("completions have a queue of their own")
                case other:
                    assert_never(other)
        except GroupMissing:  # with the group went what was pending in it
            return [Answer.GONE] * len(batch)

    async def _delay(self, batch: list[Job]) -> Sequence[Answer]:
        moves = [_move(d, s) for d, s in batch if isinstance(s, Delay)]
        keys = self.subscription.keys
        moved = await self._link.run(writes.delay(keys, self._author, moves, page=self._page))
        if dues := [each.due_ms for each in moved if each.due_ms > each.now_ms]:
            self.subscription.delayed(min(dues))
        return [each.answer for each in moved]

    def _burials(self, batch: list[Job]) -> Call[list[Answer]]:
        burials = [
            writes.Burial(d.held, s.reason, s.error, s.counts, _detail(d, s))
            for d, s in batch
            if isinstance(s, Bury)
        ]
        return writes.bury(self.subscription.keys, self._author, burials, page=self._page)

    def _releases(self, batch: list[Job]) -> Call[list[Answer]]:
        releases = [
            writes.Releasing(d.held, s.counts, s.begun, _detail(d, s))
            for d, s in batch
            if isinstance(s, Release)
        ]
        return writes.release(self.subscription.keys, self._author, releases, page=self._page)

    def _drops(self, batch: list[Job]) -> Call[list[Answer]]:
        dropped = [
            writes.Dropped(d.held, detail=_detail(d, s)) for d, s in batch if isinstance(s, Drop)
        ]
        return writes.drop(self.subscription.keys, self._author, dropped, page=self._page)

    def _answered(self, delivery: Delivery, settlement: Settlement, answer: Answer) -> None:
        self.subscription.forget([delivery])
        self._settled([delivery])
        match answer:
            case Answer.OK:
                self._tally.count(settlement)
                finished.count(delivery, settlement)
                log_settlement(self._log, delivery, settlement)
            case Answer.STALE:
                self._log.warning("stale", **names(delivery), what="another delivery owns the job")
            case Answer.GONE:
                self._log.info("gone", **names(delivery), what="it was settled before")
            case Answer.CANCELLED:
                self._log.info("cancelled", **names(delivery))
            case Answer.LATER | Answer.WRONG:
                raise AssertionError("these are sent again")
            case other:
                assert_never(other)


def _move(delivery: Delivery, settlement: Delay) -> writes.Move:
    since = settlement.detail.get("since") if settlement.reason == "unhandled" else None
    return writes.Move(
        held=delivery.held,
        event=settlement.event,
        reason=settlement.reason,
        due_ms=settlement.due_ms,
        after_ms=settlement.after_ms,
        counts=settlement.counts,
        begun=settlement.begun,
        error=settlement.error,
        unhandled_since_ms=None if since is None else int(since),
        detail=_detail(delivery, settlement),
    )


def _detail(delivery: Delivery, settlement: Delay | Bury | Release | Drop) -> dict[str, Any]:
    if not delivery.started:
        return settlement.detail
    return {**settlement.detail, "wait_ms": delivery.wait_ms(), "run_ms": delivery.run_ms}


def _take(queue: deque[Delivery], most: int) -> list[Delivery]:
    return [queue.popleft() for _ in range(min(most, len(queue)))]


def _take_alike(queue: deque[Job], most: int) -> list[Job]:
    """The first jobs of the queue that one script can settle together."""
    kind = type(queue[0][1])
    batch: list[Job] = []
    while queue and len(batch) < most and type(queue[0][1]) is kind:
        batch.append(queue.popleft())
    return batch
