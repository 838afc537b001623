"""Dead letters as they stand in `P:dlq`: in pages, newest or oldest first, or by a job's id.

Each carries its job's type, read from the field that names types in its group.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from retraced.entry import added_ms
from retraced.events import Event, EventName, parse_record
from retraced.keys import Keys, id_parts
from retraced.store.connection import Link
from retraced.store.reads.paging import MOST_IN_PAGE, Entries, entries
from retraced.store.reads.replies import after as behind
from retraced.store.reads.replies import number, pairs, settled, text
from retraced.store.reads.typefield import parsed, type_field_of, type_in

_MOST_SEARCHED = 100_000
_MOST_SEARCHED_ALIVE = 2_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One entry of `P:dlq`. `fields` are the producer's, raw, in order; `facts` the `@` fields.

    `type`: None for a job that names none (its type is the stream's name).
    """

    entry: bytes
    facts: dict[bytes, bytes]
    fields: tuple[tuple[bytes, bytes], ...]
    type: str | None = None

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
    high = behind(before) if before else b"+"
    read = entries(link, keys.dlq, low=back_to, high=high, newest=True, most=most)
    return _pages(link, keys, read)


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
    low = behind(after) if after else b"-"
    return _pages(link, keys, entries(link, keys.dlq, low=low, high=until, most=most))


async def newest_entry(link: Link, keys: Keys) -> bytes | None:
    """The id of the newest dead letter's entry: what comes later dies later."""
    reply = settled(await link.call("XREVRANGE", keys.dlq, "+", "-", "COUNT", 1))
    return bytes(reply[0][0]) if reply else None


async def dead_letter(link: Link, keys: Keys, job: bytes) -> DeadLetter | None:
    """The dead letter of a job, found by its record, else by looking through `P:dlq`."""
    entry, state = await link.call("HMGET", keys.job(job), "entry", "state")
    if entry:
        found, said = await link.calls(
            [("XRANGE", keys.dlq, entry, entry), ("HGET", keys.state, "type_field")]
        )
        letters = await _letters(link, keys, settled(found), parsed(settled(said)))
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


async def _pages(link: Link, keys: Keys, read: Entries) -> Pages:
    type_field = await type_field_of(link, keys)
    async with aclosing(read) as pages:
        async for page in pages:
            yield await _letters(link, keys, page, type_field)


async def _letters(
    link: Link, keys: Keys, page: Sequence[tuple[bytes, Sequence[bytes]]], type_field: str | None
) -> list[DeadLetter]:
    """The letters with their types, which of those that are in their records is fetched there."""
    letters = [_letter(entry, flat, type_field) for entry, flat in page]
    recorded = [letter for letter in letters if letter.in_record]
    if not recorded or type_field is None:
        return letters
    name = b"f:" + type_field.encode()
    replies = await link.calls([("HGET", keys.job(each.job), name) for each in recorded])
    types = {each.entry: settled(reply) for each, reply in zip(recorded, replies, strict=True)}
    return [
        replace(each, type=text(types[each.entry])) if types.get(each.entry) is not None else each
        for each in letters
    ]


def _letter(entry: bytes, flat: Sequence[bytes], type_field: str | None) -> DeadLetter:
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
    return DeadLetter(entry, facts, tuple(fields), type=type_in(dict(fields), type_field))
