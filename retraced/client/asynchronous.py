"""The client for asyncio code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from retraced.client.adding import Appending, added_id, unanswered
from retraced.client.address import connector_for
from retraced.client.cancelling import check
from retraced.client.newjob import Duration, JobOptions, NewJob
from retraced.errors import StoreError
from retraced.keys import Keys, stream_bytes
from retraced.store.connection import Link
from retraced.store.pool import Pool
from retraced.store.writes import cancel


class AsyncClient:
    """Adds and cancels jobs from asyncio code. Connects at first use; `async with` closes it.

    Without a URL it takes RETRACED_URL, REDIS_URL, the configuration file's, else the Redis on
    127.0.0.1:6379. `timeout` bounds connecting and each answer.
    """

    def __init__(self, url: str | None = None, *, timeout: Duration = "5s", size: int = 8) -> None:
        self._connector = connector_for(url, timeout)
        self._size = size
        self._pool: Pool | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def add(
        self,
        stream: str,
        type: str | None = None,  # noqa: A002 - the word of the wire protocol
        payload: Any = None,
        **options: Unpack[JobOptions],
    ) -> str:
        """Adds one job and gives its id.

        `payload`: bytes and str as they are, anything else as JSON. Durations are timedeltas or
        strings with a unit ("30s"). Raises UsageError naming a field that can't be used, and
        StoreError; after `Unavailable` the job may or may not have been added.
        """
        return await self.add_fields(stream, NewJob(type, payload, **options).encoded())

    async def add_many(self, stream: str, jobs: Iterable[NewJob]) -> list[str]:
        """Adds jobs in order, many in one round trip, and gives their ids in that order.

        All are checked before the first is sent (UsageError). Not atomic: after a failure
        NotAllAdded tells which ids are known to be added.
        """
        return await self.append(stream, [job.encoded() for job in jobs])

    async def append(self, stream: str, entries: Iterable[Sequence[bytes]]) -> list[str]:
        """`add_many` for entries that are flat field lists already."""
        async with self._links().link() as link:
            return await append(link, stream, entries)

    async def add_fields(self, stream: str, fields: Sequence[bytes]) -> str:
        """Adds one entry of flat fields (name, value, name, value...) and gives its id."""
        async with self._links().link() as link:
            return await add_entry(link, stream, fields)

    async def cancel(self, stream: str, job_id: str, *, group: str, by: str = "client") -> None:
        """Cancels a job for one group: at once if it is delayed, else at its next step.

        One that runs is told within 1.5 s. Raises NotFound if the group doesn't know the job,
        Refused if it has ended already. An id that can't be found among many waiting jobs is taken
        for one of them.
        """
        call = cancel(Keys.of(stream, group), job_id.encode(), by=by)
        async with self._links().link() as link:
            check(await link.run(call), job_id, stream, group)

    async def close(self) -> None:
        """Closes the connections; the next call opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None and self._loop is asyncio.get_running_loop():
            await pool.close()

    def _links(self) -> Pool:
        """This loop's pool: an App's client may be used under several `asyncio.run`."""
        loop = asyncio.get_running_loop()
        if self._pool is None or self._loop is not loop:
            self._pool, self._loop = Pool(self._connector, size=self._size), loop
        return self._pool


async def add_entry(link: Link, stream: str, fields: Sequence[bytes]) -> str:
    """One XADD; an error says whether the job may have been added all the same."""
    try:
        replies = await link.calls([[b"XADD", stream_bytes(stream), b"*", *fields]])
    except StoreError as error:
        raise unanswered(stream, error) from error
    return added_id(stream, replies)


async def append(link: Link, stream: str, entries: Iterable[Sequence[bytes]]) -> list[str]:
    """XADDs in chunks, in order; NotAllAdded carries the ids that are known to be added."""
    appending = Appending(stream, entries)
    for chunk in appending.chunks():
        try:
            replies = await link.calls(chunk)
        except StoreError as error:
            raise appending.failed(error, chunk) from error
        appending.took(replies)
    return appending.ids
