"""Links for clients, which are opened when they are needed and used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from retraced.store.connection import Connector, Link


class Pool:
    """At most `size` links, opened when needed and used again."""

    def __init__(self, connector: Connector, *, size: int = 8) -> None:
        self._connector = connector
        self._idle: list[Link] = []
        self._room = asyncio.Semaphore(size)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[Link]:
        async with self._room:
            link = self._idle.pop() if self._idle else self._connector.lazy()
            try:
                yield link
            finally:
                self._idle.append(link)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()
