"""The client for code without asyncio."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack

from retraced.client.adding import Appending, added_id, unanswered
from retraced.client.address import connector_for
from retraced.client.cancelling import check
from retraced.client.newjob import Duration, JobOptions, NewJob
from retraced.errors import StoreError
from retraced.keys import Keys, stream_bytes
from retraced.store.blocking import BlockingLink
from retraced.store.connection import Connector
from retraced.store.writes import cancel


class Client:
    """`AsyncClient` for code without asyncio; may be used by several threads and after a fork."""

    def __init__(self, url: str | None = None, *, timeout: Duration = "5s") -> None:
        self._connector = connector_for(url, timeout)
        self._idle: list[BlockingLink] = []
        self._process = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(
        self,
        stream: str,
        type: str | None = None,  # noqa: A002 - the word of the wire protocol
        payload: Any = None,
        **options: Unpack[JobOptions],
    ) -> str:
        """Adds one job and gives its id; see `AsyncClient.add`."""
        return self.add_fields(stream, NewJob(type, payload, **options).encoded())

    def add_many(self, stream: str, jobs: Iterable[NewJob]) -> list[str]:
        """Adds jobs in order and gives their ids; see `AsyncClient.add_many`."""
        return self.append(stream, [job.encoded() for job in jobs])

    def append(self, stream: str, entries: Iterable[Sequence[bytes]]) -> list[str]:
        """`add_many` for entries that are flat field lists already."""
        appending = Appending(stream, entries)
        with self._link() as link:
            for chunk in appending.chunks():
                try:
                    replies = link.calls(chunk)
                except StoreError as error:
                    raise appending.failed(error, chunk) from error
                appending.took(replies)
        return appending.ids

    def add_fields(self, stream: str, fields: Sequence[bytes]) -> str:
        """Adds one entry of flat fields (name, value, name, value...) and gives its id."""
        command = [b"XADD", stream_bytes(stream), b"*", *fields]
        with self._link() as link:
            try:
                replies = link.calls([command])
            except StoreError as error:
                raise unanswered(stream, error) from error
        return added_id(stream, replies)

    def cancel(self, stream: str, job_id: str, *, group: str, by: str = "client") -> None:
        """Cancels a job for one group; see `AsyncClient.cancel`."""
        call = cancel(Keys.of(stream, group), job_id.encode(), by=by)
        with self._link() as link:
            check(link.run(call), job_id, stream, group)

    def close(self) -> None:
        """Closes the connections; the next call opens new ones."""
        while self._idle:
            self._idle.pop().close()

    def _link(self) -> _Lent:
        if self._process != os.getpid():  # a fork shares its parent's sockets: leave them alone
            self._idle, self._process = [], os.getpid()
        return _Lent(self._connector, self._idle)


class _Lent:
    """A link lent to one call; it goes back among the idle ones, broken or not."""

    __slots__ = ("_idle", "_link")

    def __init__(self, connector: Connector, idle: list[BlockingLink]) -> None:
        self._idle = idle
        self._link = idle.pop() if idle else connector.open_blocking()

    def __enter__(self) -> BlockingLink:
        return self._link

    def __exit__(self, *_: object) -> None:
        self._idle.append(self._link)
