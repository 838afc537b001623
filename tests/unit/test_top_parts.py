"""The parts of `top` that need neither Redis nor a screen."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

import pytest

from retraced.cli.top.meter import Meter
from retraced.cli.top.refresh import Condition, Health, Refresher
from retraced.cli.top.sieve import Sieve
from retraced.cli.top.table import Column, Line
from retraced.cli.top.table import fitting as fitted
from retraced.cli.top.target import Target
from retraced.cli.top.words import counted, per_second, short, span
from retraced.errors import Unavailable
from retraced.filter import JobFacts
from retraced.keys import Keys
from retraced.store.reads.backlog import Count
from tests.waiting import eventually

TARGET = Target(Keys.of("orders", "mail"))


class Reading:
    """A Redis that answers, takes its time or is away, as a test says."""

    def __init__(self) -> None:
        self.reads = 0
        self.at_once = 0
        self.most_at_once = 0
        self.slow_s = 0.0
        self.away = False
        self.conditions: list[Condition] = []

    async def read(self) -> int:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.slow_s)
        finally:
            self.at_once -= 1
        if self.away:
            raise Unavailable("can't reach it")
        self.reads += 1
        return self.reads

    def show(self, found: int | None, condition: Condition) -> None:
        self.conditions.append(condition)

    def tried(self, times: int) -> bool:
        return len(self.conditions) == times

    @property
    def last(self) -> Condition:
        return self.conditions[-1]


async def test_reads_never_overlap_however_often_one_is_wanted() -> None:
    reading = Reading()
    reading.slow_s = 0.02
    refresher = Refresher(reading.read, reading.show, every_s=0.01)
    running = asyncio.create_task(refresher.run())
    while reading.reads < 5:
        refresher.hurry()
        await asyncio.sleep(0)
    running.cancel()
    assert reading.most_at_once == 1


async def test_a_slow_redis_is_read_less_often_and_said_to_be_slow() -> None:
    reading = Reading()
    reading.slow_s = 0.1
    running = asyncio.create_task(Refresher(reading.read, reading.show, every_s=0.05).run())
    await eventually(lambda: reading.conditions, 5, "a first read")
    running.cancel()
    assert reading.last.health is Health.SLOW
    assert reading.last.pause_s >= 0.2


async def test_while_redis_is_away_the_pauses_grow_and_it_goes_on_by_itself() -> None:
    reading = Reading()
    reading.away = True
    refresher = Refresher(reading.read, reading.show, every_s=0.05)
    running = asyncio.create_task(refresher.run())
    for tries in range(1, 6):
        await eventually(partial(reading.tried, tries), 5, "one try more")
        refresher.hurry()
    assert {each.health for each in reading.conditions} == {Health.AWAY}
    assert [each.pause_s for each in reading.conditions] == [1, 2, 4, 8, 10]
    assert len({each.since for each in reading.conditions}) == 1
    reading.away = False
    refresher.hurry()
    await eventually(lambda: reading.last.health is Health.LIVE, 5, "live again")
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def test_rates_are_the_difference_of_counters_over_the_last_ten_seconds() -> None:
    meter, paces = Meter(), []
    for second in range(20):
        done = second * 5 if second < 10 else 50
        counters = {"completed": done, "failed": second, "dead": second}
        paces.append(meter.pace(b"g", second * 1000, counters))
    assert paces[0].completed is None
    assert paces[9].completed == 5
    assert paces[19].completed == pytest.approx(0.5)
    assert paces[19].failed == 2


def test_counters_that_fall_begin_anew() -> None:
    meter = Meter()
    meter.pace(b"g", 0, {"completed": 100, "failed": 0, "dead": 0})
    assert meter.pace(b"g", 1000, {"completed": 1, "failed": 0, "dead": 0}).completed is None
    assert meter.pace(b"g", 2000, {"completed": 3, "failed": 0, "dead": 0}).completed == 2


def test_columns_give_way_in_their_order_until_the_flexible_ones_have_room() -> None:
    columns = (
        Column("KEY", 10),
        Column("WHERE", least=20),
        Column("A", 10, yields=1),
        Column("B", 10, yields=2),
    )
    needs = [3, 30, 1, 1]
    shown = {w: [each[1].title for each in fitted(columns, needs, w)] for w in (60, 50, 40)}
    assert shown == {
        60: ["KEY", "WHERE", "A", "B"],
        50: ["KEY", "WHERE", "A"],
        40: ["KEY", "WHERE"],
    }
    for width in (40, 60, 133):
        placed = fitted(columns, needs, width)
        assert sum(own for _, _, own in placed) + len(placed) - 1 == width


def test_flexible_columns_get_what_they_need_and_share_what_is_short() -> None:
    columns = (Column("A"), Column("B"), Column("C", 5))
    widths = {w: [own for _, _, own in fitted(columns, [8, 40, 5], w)] for w in (46, 31, 80)}
    assert widths == {46: [8, 31, 5], 31: [8, 16, 5], 80: [8, 65, 5]}


@pytest.mark.parametrize(
    ("given", "said"),
    [(0, "0"), (99_999, "99,999"), (100_000, "100k"), (9_999_999, "9,999k"), (12_500_000, "12.5M")],
)
def test_large_numbers_are_short(given: int, said: str) -> None:
    assert short(given) == said


def test_estimates_unknown_rates_and_spans_are_told_as_such() -> None:
    assert counted(Count(5, exact=False)) == "~5"
    assert [per_second(rate) for rate in (None, 0.0, 0.25, 12.4)] == ["-", "0", "0.2", "12"]
    assert [span(ms) for ms in (None, 850, 1_900, 61_000)] == ["-", "<1s", "1s", "1m 1s"]


@pytest.mark.parametrize(
    ("text", "stays"),
    [("type=mail", True), ("type=sms", False), ("Row", True), ("row else", False), ("=", False)],
)
def test_a_sieve_is_a_filter_or_else_words(text: str, stays: bool) -> None:
    facts = JobFacts(b"1-0", state="dead", type="mail")
    assert Sieve.of(text).lets(Line("k", ("a", "row"), TARGET, facts=facts)) is stays


def test_an_empty_sieve_lets_all_through() -> None:
    assert not Sieve.of("  ")
    assert Sieve.of("").lets(Line("k", ("a",), TARGET))


def test_words_of_a_filter_are_parted_as_a_shell_parts_them() -> None:
    facts = JobFacts(b"1-0", state="dead", type="mail", error="no route to host")
    line = Line("k", ("a",), TARGET, facts=facts)
    assert Sieve.of('type=mail error:"no route"').lets(line)
    assert Sieve.of("type=mail AND state=dead").lets(line)
    assert not Sieve.of("type=mail state=held").lets(line)


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("type=mail refused", "'refused'"),
        ("typ=mail", "no field 'typ'"),
        ("age>soon", "soon"),
        ("connection refused", ""),
        ("type=mail", ""),
    ],
)
def test_what_looks_like_a_filter_and_is_none_is_told(text: str, trouble: str) -> None:
    assert trouble in Sieve.of(text).trouble
    assert bool(Sieve.of(text).trouble) is bool(trouble)
