"""Dead letters as they stand in `P:dlq`: in pages, newest or oldest first, or by a job's id."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from retraced.entry import added_ms
from retraced.events import Event, EventName, parse_record
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import id_parts, number, pairs, settled, text

# A page takes Redis about a millisecond: so many letters, or so many bytes of them.
MOST_IN_PAGE = 500
_PAGE_BYTES = 256 * 1024
_FIRST_PAGE = 20
_MOST_SEARCHED = 100_000
_MOST_SEARCHED_ALIVE = 2_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One entry of `P:dlq`. `fields` are the producer's, raw, in order; `facts` the `@` fields."""

    entry: bytes
    facts: dict[bytes, bytes]
    fields: tuple[tuple[bytes, bytes], ...]

    @property
    def job(self) -> bytes:
        return self.facts.get(b"@job", b"")

    @property
    def reason(self) -> str:
        return text(self.facts.get(b"@reason", b""))

    @property
    def error(self) -> str:
        return text(self.facts.get(b"@error", b""))

    @property
    def attempts(self) -> int:
        return number(self.facts.get(b"@attempts"))

    @property
    def deliveries(self) -> int:
        return number(self.facts.get(b"@deliveries"))

    @property
    def crashes(self) -> int:
        return number(self.facts.get(b"@crashes"))

    @property
    def in_record(self) -> bool:
        """Whether the fields are in the job's record, being over 1,000: then `fields` is empty."""
        return self.facts.get(b"@record") == b"1"

    @property
    def died_ms(self) -> int:
        """When it was buried, by the Redis clock."""
        return number(self.facts.get(b"@at"), id_parts(self.entry)[0])

    @property
    def type(self) -> str | None:
        """The field `type`; None for a job that has none (its type is the stream's name)."""
        return self.type_by("type")

    def type_by(self, field: str | None) -> str | None:
        """The type in a group that reads it from this field (None: the stream's name is it)."""
        if field is None:
            return None
        name = field.encode()
        return next((text(value) for known, value in reversed(self.fields) if known == name), None)


Pages = AsyncGenerator[list[DeadLetter], None]


async def dead_letters(
    link: Link, keys: Keys, *, limit: int = 50, before: bytes | None = None
) -> list[DeadLetter]:
    """At most `limit` dead letters, newest first, those older than the entry id `before`."""
    found: list[DeadLetter] = []
    async with aclosing(newest_first(link, keys, before=before, most=limit)) as pages:
        async for page in pages:
            found += page
            if len(found) >= limit:
                break
    return found[:limit]


def newest_first(
    link: Link,
    keys: Keys,
    *,
    before: bytes | None = None,
    back_to: bytes = b"-",
    most: int = MOST_IN_PAGE,
) -> Pages:
    """All dead letters older than the entry id `before`, in pages of at most `most`."""
    end = _beyond(before) if before else b"+"
    return _pages(link, keys, "XREVRANGE", (end, back_to), most=most)


def oldest_first(
    link: Link,
    keys: Keys,
    *,
    after: bytes | None = None,
    until: bytes = b"+",
    most: int = MOST_IN_PAGE,
) -> Pages:
    """The dead letters behind the entry id `after`, as far as `until`, in pages.

    Letters that are moved away between two pages don't disturb it.
    """
    start = _beyond(after) if after else b"-"
    return _pages(link, keys, "XRANGE", (start, until), most=most)


async def newest_entry(link: Link, keys: Keys) -> bytes | None:
    """The id of the newest dead letter's entry: what comes later dies later."""
    reply = settled(await link.call("XREVRANGE", keys.dlq, "+", "-", "COUNT", 1))
    return bytes(reply[0][0]) if reply else None


async def dead_letter(link: Link, keys: Keys, job: bytes) -> DeadLetter | None:
    """The dead letter of a job, found by its record, else by looking through `P:dlq`."""
    entry, state = await link.call("HMGET", keys.job(job), "entry", "state")
    if entry:
        reply = settled(await link.call("XRANGE", keys.dlq, entry, entry))
        letters = [_letter(found, fields) for found, fields in reply]
        if letters and letters[0].job == job:
            return letters[0]
    # A job that isn't dead may have left a letter behind: that isn't worth a long search.
    alive = state is not None and state != b"dead"
    return await _searched(link, keys, job, most=_MOST_SEARCHED_ALIVE if alive else _MOST_SEARCHED)


async def fields_of(link: Link, keys: Keys, letter: DeadLetter) -> tuple[tuple[bytes, bytes], ...]:
    """The producer's fields; those of an entry with over 1,000 are fetched from the record."""
    if not letter.in_record:
        return letter.fields
    record = pairs(await link.call("HGETALL", keys.job(letter.job)))
    return tuple((name[2:], value) for name, value in record.items() if name[:2] == b"f:")


async def stories_of(
    link: Link, keys: Keys, letters: Sequence[DeadLetter]
) -> list[tuple[list[Event], int]]:
    """The events that the record of each letter keeps, and how many there have been.

    The records come whole, in one pipeline: ask for a few dozen letters at a time.
    """
    replies = await link.calls([("HGETALL", keys.job(letter.job)) for letter in letters])
    found = []
    for letter, reply in zip(letters, replies, strict=True):
        record = pairs(settled(reply))
        found.append((parse_record(record, letter.job), number(record.get(b"e_count"))))
    return found


async def deaths_of(link: Link, keys: Keys, letters: Sequence[DeadLetter]) -> list[Event | None]:
    """The event of each death, which tells worker and release; None where no record has it."""
    records = [keys.job(letter.job) for letter in letters]
    counts = await link.calls([("HGET", record, "e_count") for record in records])
    last = [b"e:%d" % number(settled(count)) for count in counts]
    stories = await link.calls(
        [("HMGET", record, name) for record, name in zip(records, last, strict=True)]
    )
    found: list[Event | None] = []
    for letter, name, (story,) in zip(letters, last, map(settled, stories), strict=True):
        events = parse_record({name: story}, letter.job) if story else []
        found.append(next((each for each in events if each.name == EventName.DEAD), None))
    return found


async def type_field_of(link: Link, keys: Keys) -> str | None:
    """Which field names a job's type in this group; None: none does, it is the stream's name."""
    said = await link.call("HGET", keys.state, "type_field")
    if not said:
        return "type"
    return None if said == b"none" else text(said)


async def count_dead(link: Link, keys: Keys) -> int:
    """How many dead letters the group has."""
    return number(await link.call("XLEN", keys.dlq))


async def _searched(link: Link, keys: Keys, job: bytes, *, most: int) -> DeadLetter | None:
    """Looks through the newest, back to the time when the job was added."""
    added = added_ms(job)
    oldest = b"-" if added is None else b"%d" % added
    searched = 0
    async with aclosing(newest_first(link, keys, back_to=oldest)) as pages:
        async for page in pages:
            for letter in page:
                if letter.job == job:
                    return letter
            searched += len(page)
            if searched >= most:
                return None
    return None


async def _pages(
    link: Link, keys: Keys, command: str, bounds: tuple[bytes, bytes], *, most: int
) -> Pages:
    (start, end), count = bounds, min(_FIRST_PAGE, most)
    while True:
        reply = settled(await link.call(command, keys.dlq, start, end, "COUNT", count))
        if reply:
            yield [_letter(entry, fields) for entry, fields in reply]
        if len(reply) < count:
            return
        start = _beyond(reply[-1][0])
        count = _next_count(reply, most)


def _next_count(page: Sequence[Any], most: int) -> int:
    """How many to ask for: as many as fill a page of bytes if they are as large as the last."""
    size = sum(len(part) for _, fields in page for part in fields)
    fitting = _PAGE_BYTES * len(page) // max(size, 1)
    return max(1, min(fitting, 10 * len(page), most))


def _beyond(entry: bytes) -> bytes:
    return b"(" + entry


def _letter(entry: bytes, flat: Sequence[Any]) -> DeadLetter:
    """Takes ReTraced's `@` fields from the producer's; a producer's `@x` stands as `@@x`."""
    facts: dict[bytes, bytes] = {}
    fields: list[tuple[bytes, bytes]] = []
    for name, value in zip(flat[::2], flat[1::2], strict=True):
        if name.startswith(b"@@"):
            fields.append((name[1:], value))
        elif name.startswith(b"@"):
            facts[name] = value
        else:
            fields.append((name, value))
    return DeadLetter(entry=entry, facts=facts, fields=tuple(fields))
