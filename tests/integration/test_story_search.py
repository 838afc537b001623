"""Finding what succeeded at once among very many events: whole, in pages, and no further."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.eventlog import latest, search

pytestmark = pytest.mark.by_turns

BEGAN_MS = 1_795_000_000_000
BACKLOG_MS = 600_000  # so long after they were added the jobs below were completed
ENTRIES, JOBS_EACH = 5_000, 20


@pytest.fixture
def keys(stream: str, raw: redis.Redis) -> Iterator[Keys]:
    """A group whose events tell of 100,000 jobs, completed in order, twenty in an entry."""
    keys = Keys.of(stream, "mail")
    pipe = raw.pipeline(transaction=False)
    for entry in range(ENTRIES):
        jobs = {job(entry * JOBS_EACH + each): [1, 5, 7] for each in range(JOBS_EACH)}
        at = BEGAN_MS + BACKLOG_MS + entry
        fields = {"event": "completed", "at": at, "worker": "w", "jobs": json.dumps(jobs)}
        pipe.xadd(keys.events, fields, id=f"{at}-0")  # type: ignore[arg-type]
    pipe.execute()
    yield keys
    raw.delete(keys.events)


def job(number: int) -> str:
    return f"{BEGAN_MS + number // 10}-{number % 10}"


async def test_any_of_100_000_is_found_and_the_search_ends_there(keys: Keys, link: Link) -> None:
    for number in (0, 4_711, ENTRIES * JOBS_EACH - 1):
        wanted = job(number).encode()
        found = await search(link, keys, wanted, since_ms=BEGAN_MS)
        assert [event.job.encode() for event in found.events] == [wanted]
        assert number // JOBS_EACH < found.read <= number // JOBS_EACH + 500
        assert not found.gap


async def test_what_isnt_there_has_been_looked_for_to_the_end(keys: Keys, link: Link) -> None:
    found = await search(link, keys, b"1795000000000-10", since_ms=BEGAN_MS)
    assert (found.events, found.read, found.gap) == ([], ENTRIES, False)


async def test_a_search_that_may_read_only_so_much_says_that_it_did_not_end(
    keys: Keys, link: Link
) -> None:
    last = job(ENTRIES * JOBS_EACH - 1).encode()
    found = await search(link, keys, last, since_ms=BEGAN_MS, most=1_000)
    assert found.gap
    assert found.events == []


async def test_a_search_begins_at_the_time_in_the_id(keys: Keys, link: Link) -> None:
    last = job(ENTRIES * JOBS_EACH - 1).encode()
    since_ms = BEGAN_MS + BACKLOG_MS + ENTRIES - 100
    found = await search(link, keys, last, since_ms=since_ms)
    assert (len(found.events), found.read) == (1, 100)


async def test_the_newest_events_cost_no_more_than_they_are(keys: Keys, link: Link) -> None:
    found = await latest(link, keys, wanted=bool, limit=12)
    assert [event.job for event in found.events] == [
        job(number) for number in range(ENTRIES * JOBS_EACH - 12, ENTRIES * JOBS_EACH)
    ]
    assert found.read == 1
    assert not found.whole
