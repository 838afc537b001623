"""The dead letters of one group that a command means: of named jobs, of a FILTER, or all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from retraced.cli.asked import Asked
from retraced.cli.lookup import found_group
from retraced.cli.remedy import command, where
from retraced.errors import NotFound
from retraced.events import Event
from retraced.filter import Filter, JobFacts
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.dead import (
    DeadLetter,
    count_dead,
    dead_letter,
    deaths_of,
    fields_of,
    newest_entry,
    oldest_first,
)
from retraced.store.reads.replies import redis_now
from retraced.store.reads.typefield import type_field_of

Fields = Sequence[tuple[bytes, bytes]]

_BODY_FIELDS = frozenset({"key", "header", "payload"})
STORY_FIELDS = frozenset({"worker", "release"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that somebody asked for, and its dead letter if it has one."""

    job: bytes
    letter: DeadLetter | None


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Those of a group, to be looked at. `type_field`: as `consume --type-field` said."""

    link: Link
    keys: Keys
    type_field: str | None
    now_ms: int

    @classmethod
    async def found(cls, link: Link, stream: str, group: str) -> DeadLetters:
        """Raises NotFound when the stream or the group isn't there."""
        keys, _ = await found_group(link, stream, group)
        return cls(link, keys, await type_field_of(link, keys), await redis_now(link))

    async def count(self) -> int:
        """How many there are now."""
        return await count_dead(self.link, self.keys)

    async def of(self, job: bytes) -> DeadLetter:
        """The dead letter of a job. Raises NotFound, with the way to where the job is."""
        letter = await dead_letter(self.link, self.keys, job)
        if letter is None:
            stream, group = self.keys.stream_name, self.keys.group_name
            trace = command("trace", stream, job.decode())
            raise NotFound(
                f"job {job.decode()} is no dead letter {where(stream, group)}; "
                f"`{trace}` tells where it is"
            )
        return letter

    async def fields(self, letter: DeadLetter) -> Fields:
        """The producer's fields, also where they are in the job's record."""
        return await fields_of(self.link, self.keys, letter)

    async def wanted(
        self, asked: Asked, *, looked: Callable[[int], None] = lambda _: None
    ) -> AsyncIterator[list[Wanted]]:
        """What is asked for, in pages, the oldest first; what dies from now on isn't in it.

        A job that is named is in it with or without a dead letter. `looked` hears how many more
        have been looked at.
        """
        if asked.ids:
            for job in asked.ids:
                yield [Wanted(job, await dead_letter(self.link, self.keys, job))]
            return
        async for page in self._oldest_first():
            found = await self.matching(page, asked.filter)
            looked(len(page))
            yield [Wanted(letter.job, letter) for letter in found]

    async def chosen(
        self, ids: Sequence[bytes], condition: Filter, *, looked: Callable[[int], None]
    ) -> AsyncIterator[list[DeadLetter]]:
        """Those of these jobs, else those that match, in pages, the oldest first."""
        for job in ids:
            yield [await self.of(job)]
        if ids:
            return
        async for page in self._oldest_first():
            yield await self.matching(page, condition)
            looked(len(page))

    async def matching(self, letters: Sequence[DeadLetter], condition: Filter) -> list[DeadLetter]:
        """Those that a filter is true of. Only what it asks for is fetched beside the letters."""
        if not condition:
            return list(letters)
        deaths: Sequence[Event | None] = [None] * len(letters)
        if condition.fields & STORY_FIELDS:
            deaths = await deaths_of(self.link, self.keys, letters)
        found = []
        for letter, death in zip(letters, deaths, strict=True):
            whole = letter.in_record and condition.fields & _BODY_FIELDS
            fields = await self.fields(letter) if whole else letter.fields
            if condition.matches(self._facts(letter, dict(fields), death)):
                found.append(letter)
        return found

    async def _oldest_first(self) -> AsyncIterator[list[DeadLetter]]:
        until = await newest_entry(self.link, self.keys)
        if until is None:
            return
        async for page in oldest_first(self.link, self.keys, until=until):
            yield page

    def _facts(
        self, letter: DeadLetter, fields: dict[bytes, bytes], death: Event | None
    ) -> JobFacts:
        return JobFacts.of(
            letter.job,
            kind=letter.type,
            stream=self.keys.stream_name,
            now_ms=self.now_ms,
            state="dead",
            attempt=letter.attempts,
            error=letter.error,
            reason=letter.reason,
            worker=death.worker if death else "",
            release=death.release if death else "",
            fields=fields,
            died_ms=max(self.now_ms - letter.died_ms, 0),
        )
