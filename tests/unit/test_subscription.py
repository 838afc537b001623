"""What a worker knows of one group."""

from __future__ import annotations

from retraced.keys import Keys
from retraced.store.writes import Joined
from retraced.worker.subscription import Policy, Subscription


def joined(version: int, **facts: str) -> Joined:
    return Joined(
        created=False,
        restored=False,
        visibility_ms=30_000,
        version=version,
        facts=facts,
        protocol=1,
        paused=False,
    )


async def test_a_fact_that_is_removed_gives_the_flag_back() -> None:
    subscription = Subscription(
        Keys.of("s", "g"), policy=Policy(max_attempts=7), visibility_ms=30_000
    )
    subscription.adopt(joined(2, max_attempts="2"))
    assert subscription.policy.max_attempts == 2
    subscription.adopt(joined(3))
    assert subscription.policy.max_attempts == 7


async def test_only_a_job_that_is_due_sooner_wakes_the_promoter() -> None:
    subscription = Subscription(Keys.of("s", "g"), policy=Policy(), visibility_ms=30_000)
    subscription.next_due_ms = 1_000
    subscription.delayed(2_000)
    assert not subscription.next_due.is_set()
    subscription.delayed(999)
    assert subscription.next_due.is_set()


async def test_any_delay_wakes_a_promoter_that_waits_for_its_answer() -> None:
    subscription = Subscription(Keys.of("s", "g"), policy=Policy(), visibility_ms=30_000)
    subscription.delayed(1 << 50)
    assert subscription.next_due.is_set()
