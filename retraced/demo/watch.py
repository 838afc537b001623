"""Looks at the demo's groups in Redis: counts, news from their events, evidence for the sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from retraced.demo import ledger
from retraced.demo.accounts import Evidence
from retraced.demo.orders import BILLING, MAIL, STREAM, Order
from retraced.demo.shop import LEDGER
from retraced.demo.view import Counts, News, Tone
from retraced.demo.workers import MAIL_LEDGER
from retraced.events import Event, EventName, describe, parse_stream_entry
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.dead import dead_letters
from retraced.store.reads.groups import stream_facts, summaries

GROUPS: Mapping[str, str] = {BILLING: "Python handlers", MAIL: "a command per job"}
LEDGERS: Mapping[str, str] = {BILLING: LEDGER, MAIL: MAIL_LEDGER}

_PAGE = 500
_MOST = 10_000
_TONES: Mapping[str, Tone] = {
    EventName.FAILED: Tone.TROUBLE,
    EventName.CRASHED: Tone.TROUBLE,
    EventName.DEAD: Tone.BAD,
    EventName.RECLAIMED: Tone.GOOD,
    EventName.REQUEUED: Tone.GOOD,
}
_QUIET = frozenset({EventName.COMPLETED, EventName.PROMOTED})
_OF_NO_INTEREST = ("traceback", "run_ms", "wait_ms", "idle_ms")


class Watch:
    """Follows both groups over one link; `orders` names the jobs, by id."""

    def __init__(self, link: Link, orders: Mapping[str, Order], *, start_ms: int) -> None:
        self._link = link
        self._orders = orders
        self._start_ms = start_ms
        self._read = dict.fromkeys(GROUPS, b"0-0")
        self.events: dict[str, list[Event]] = {group: [] for group in GROUPS}

    async def have_begun(self) -> bool:
        """Whether both groups exist: each gets every job that is added from then on."""
        facts = await stream_facts(self._link, STREAM.encode())
        return {group.encode() for group in GROUPS} <= facts.positions.keys()

    async def counts(self) -> list[Counts]:
        """Where the jobs of each group are."""
        found = await summaries(self._link, STREAM, list(GROUPS))
        return [
            Counts(
                group=name,
                worked_by=GROUPS[name],
                queued=group.unread.value + group.counts.ready,
                held=group.counts.held,
                delayed=group.counts.delayed,
                done=group.state.counted.get("completed", 0),
                dead=group.counts.dead,
            )
            for name, group in zip(GROUPS, found, strict=True)
        ]

    async def news(self) -> list[News]:
        """What has happened since the last call, but for plain successes."""
        fresh: list[News] = []
        for group in GROUPS:
            events = await self._fresh(group)
            self.events[group] += events
            fresh += self._told(group, events)
        return sorted(fresh, key=lambda each: each.at_ms)

    async def evidence(self, directory: Path) -> list[Evidence]:
        """All that the sums need, for each group."""
        await self.news()
        return [await self._evidence(group, directory) for group in GROUPS]

    async def _evidence(self, group: str, directory: Path) -> Evidence:
        keys = Keys.of(STREAM, group)
        letters = await dead_letters(self._link, keys, limit=_MOST)
        return Evidence(
            group=group,
            orders=self._orders,
            runs=ledger.read(directory / LEDGERS[group]),
            events=self.events[group],
            dead={letter.job.decode(): letter.reason for letter in letters},
            left=await self._left(keys),
        )

    async def _left(self, keys: Keys) -> dict[str, int]:
        asked = {
            STREAM: ("XLEN", keys.stream),
            "the group's ready stream": ("XLEN", keys.ready),
            "the group's delayed jobs": ("ZCARD", keys.delayed),
        }
        replies = await self._link.calls(list(asked.values()))
        pending = [
            (await self._link.call("XPENDING", key, keys.group))[0]
            for key in (keys.stream, keys.ready)
        ]
        return dict(zip(asked, replies, strict=True)) | {"the pending lists": sum(pending)}

    async def _fresh(self, group: str) -> list[Event]:
        """The group's events behind the last one read."""
        events: list[Event] = []
        key = Keys.of(STREAM, group).events
        while True:
            start = b"(" + self._read[group]
            page = await self._link.call("XRANGE", key, start, "+", "COUNT", _PAGE)
            for entry, fields in page:
                self._read[group] = entry
                events += parse_stream_entry(fields)
            if len(page) < _PAGE:
                return events

    def _told(self, group: str, events: Sequence[Event]) -> Iterator[News]:
        for event in events:
            order = self._orders.get(event.job)
            if order is not None and event.name not in _QUIET:
                yield News(
                    at_ms=max(event.at_ms - self._start_ms, 0),
                    group=group,
                    who=order.name,
                    text=describe(brief(event)),
                    tone=_TONES.get(event.name, Tone.PLAIN),
                )


def brief(event: Event) -> Event:
    """The event with what one line has room for; workers by their short names."""
    details = {name: value for name, value in event.details.items() if name not in _OF_NO_INTEREST}
    if "from" in details:
        details["from"] = short(str(details["from"]))
    worker = short(event.worker) if event.name == EventName.RECLAIMED else ""
    return replace(event, worker=worker, details=details)


def short(consumer: str) -> str:
    """`billing-1` of the consumer `billing-1-4711-a1b2c3`."""
    return consumer.rsplit("-", 2)[0]
