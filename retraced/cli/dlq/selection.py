"""Which dead letters a command means: those of named jobs, of a FILTER, or all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from retraced.cli.asked import Asked
from retraced.cli.lookup import found_group
from retraced.errors import NotFound
from retraced.events import Event
from retraced.filter import Filter, JobFacts
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.dead import (
    DeadLetter,
    dead_letter,
    deaths_of,
    fields_of,
    newest_entry,
    oldest_first,
)
from retraced.store.reads.replies import redis_now
from retraced.store.reads.typefield import type_field_of

_BODY_FIELDS = frozenset({"key", "header", "payload"})
_STORY_FIELDS = frozenset({"worker", "release"})


@dataclass(frozen=True, slots=True)
class Place:
    """A group whose dead letters are looked at. `type_field`: as `consume --type-field` said."""

    link: Link
    keys: Keys
    type_field: str | None
    now_ms: int

    @classmethod
    async def found(cls, link: Link, stream: str, group: str) -> Place:
        """Raises NotFound when the stream or the group isn't there."""
        keys, _ = await found_group(link, stream, group)
        return cls(link, keys, await type_field_of(link, keys), await redis_now(link))

    @property
    def name(self) -> str:
        """For sentences: `in group mail of emails`."""
        return f"in group {self.keys.group_name} of {self.keys.stream_name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that somebody asked for, and its dead letter if it has one."""

    job: bytes
    letter: DeadLetter | None


async def wanted(place: Place, asked: Asked) -> AsyncIterator[list[Wanted]]:
    """What is asked for, in pages, the oldest first; what dies from now on isn't in it.

    A job that is named is in it with or without a dead letter.
    """
    if asked.ids:
        for job in asked.ids:
            yield [Wanted(job, await dead_letter(place.link, place.keys, job))]
        return
    async for page in letters_of(place, (), asked.filter):
        yield [Wanted(letter.job, letter) for letter in page]


async def letters_of(
    place: Place, ids: Sequence[bytes], condition: Filter
) -> AsyncIterator[list[DeadLetter]]:
    """The dead letters of these jobs, else those that match, in pages, the oldest first."""
    for job in ids:
        letter = await dead_letter(place.link, place.keys, job)
        if letter is None:
            raise NotFound(f"job {job.decode()} is no dead letter {place.name}")
        yield [letter]
    until = None if ids else await newest_entry(place.link, place.keys)
    if until is None:
        return
    async for page in oldest_first(place.link, place.keys, until=until):
        yield await matching(place, page, condition)


async def matching(
    place: Place, letters: Sequence[DeadLetter], condition: Filter
) -> list[DeadLetter]:
    """Those that a filter is true of. Only what it asks for is fetched beside the letters."""
    if not condition:
        return list(letters)
    deaths: Sequence[Event | None] = [None] * len(letters)
    if condition.fields & _STORY_FIELDS:
        deaths = await deaths_of(place.link, place.keys, letters)
    found = []
    for letter, death in zip(letters, deaths, strict=True):
        whole = letter.in_record and condition.fields & _BODY_FIELDS
        fields = await fields_of(place.link, place.keys, letter) if whole else letter.fields
        if condition.matches(_facts(place, letter, dict(fields), death)):
            found.append(letter)
    return found


def _facts(
    place: Place, letter: DeadLetter, fields: dict[bytes, bytes], death: Event | None
) -> JobFacts:
    return JobFacts.of(
        letter.job,
        kind=letter.type,
        stream=place.keys.stream_name,
        now_ms=place.now_ms,
        state="dead",
        attempt=letter.attempts,
        error=letter.error,
        reason=letter.reason,
        worker=death.worker if death else "",
        release=death.release if death else "",
        fields=fields,
    )
