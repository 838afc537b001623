"""Dead letters as they stand in `P:dlq`: newest first, in pages, or one by its job's id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import id_parts, number, pairs, settled, text

_PAGE = 50


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
    def died_ms(self) -> int:
        """When it was buried, by the Redis clock."""
        return number(self.facts.get(b"@at"), id_parts(self.entry)[0])

    @property
    def type(self) -> str | None:
        """The field `type`; None for a job that has none (its type is the stream's name)."""
        return next((text(value) for name, value in reversed(self.fields) if name == b"type"), None)


async def dead_letters(
    link: Link, keys: Keys, *, limit: int = 50, before: bytes | None = None
) -> list[DeadLetter]:
    """At most `limit` dead letters, newest first, those older than the entry id `before`."""
    found: list[DeadLetter] = []
    end = b"(" + before if before else b"+"
    while len(found) < limit:
        count = min(_PAGE, limit - len(found))
        reply = settled(await link.call("XREVRANGE", keys.dlq, end, "-", "COUNT", count))
        found += [_letter(entry, fields) for entry, fields in reply]
        if len(reply) < count:
            break
        end = b"(" + reply[-1][0]
    return found


async def dead_letter(link: Link, keys: Keys, job: bytes) -> DeadLetter | None:
    """The dead letter of a job, found by its record, else by looking through `P:dlq`."""
    entry = await link.call("HGET", keys.job(job), "entry")
    if entry:
        reply = settled(await link.call("XRANGE", keys.dlq, entry, entry))
        letters = [_letter(found, fields) for found, fields in reply]
        if letters and letters[0].job == job:
            return letters[0]
    return await _searched(link, keys, job)


async def fields_of(link: Link, keys: Keys, letter: DeadLetter) -> tuple[tuple[bytes, bytes], ...]:
    """The producer's fields; those of an entry with over 1,000 are fetched from the record."""
    if letter.facts.get(b"@record") != b"1":
        return letter.fields
    record = pairs(await link.call("HGETALL", keys.job(letter.job)))
    return tuple((name[2:], value) for name, value in record.items() if name[:2] == b"f:")


async def count_dead(link: Link, keys: Keys) -> int:
    """How many dead letters the group has."""
    return number(await link.call("XLEN", keys.dlq))


async def _searched(link: Link, keys: Keys, job: bytes, *, most: int = 10_000) -> DeadLetter | None:
    before: bytes | None = None
    for _ in range(most // _PAGE):
        page = await dead_letters(link, keys, limit=_PAGE, before=before)
        for letter in page:
            if letter.job == job:
                return letter
        if len(page) < _PAGE:
            return None
        before = page[-1].entry
    return None


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
