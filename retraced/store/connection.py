"""Connections to Redis with raw replies: bytes in, bytes out, and nothing is retried here.

Everything above `store/` meets Redis through a `Link` (asyncio), a `SteadyLink` (people's
commands), a `BlockingLink` (the lease thread) or a `Pool` of links (clients), and sees only the
errors of `retraced.errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import redis
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.asyncio.connection import parse_url as parse_async_url
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.retry import Retry

from retraced.config import without_password
from retraced.errors import ConfigError, StoreError
from retraced.store.blocking import BlockingLink
from retraced.store.failures import missing_script, translate
from retraced.store.scripts import Argument, Call
from retraced.store.wire import all_packed, come_already, packed

T = TypeVar("T")


_SCHEMES = ("redis", "rediss", "unix")


class Connector:
    """Knows one server's address and opens links to it; holds no connection itself.

    `timeout_s` bounds connecting and each reply of the links that it opens.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self.url = _checked(url)
        self.safe_url = without_password(url)
        self.timeout_s = timeout_s

    async def open(self, *, timeout_s: float | None = None, kind: type[Link] | None = None) -> Link:
        """A link that has answered once. Raises `Unavailable` or `Denied`."""
        link = (kind or Link)(self, timeout_s=timeout_s or self.timeout_s)
        try:
            await link.call("PING")
        except BaseException:
            await link.close()
            raise
        return link

    @asynccontextmanager
    async def link(self, *, timeout_s: float | None = None) -> AsyncIterator[Link]:
        link = await self.open(timeout_s=timeout_s)
        try:
            yield link
        finally:
            await link.close()

    def lazy(self, *, timeout_s: float | None = None) -> Link:
        """A link that connects on its first call."""
        return Link(self, timeout_s=timeout_s or self.timeout_s)

    def open_blocking(self, *, timeout_s: float | None = None) -> BlockingLink:
        """A link for a thread; it connects on its first call."""
        return BlockingLink(self, timeout_s=timeout_s or self.timeout_s)

    def connection(self) -> AsyncConnection:
        # No time limit in here, since redis-py would make a task for every send: `Link` has one.
        options: dict[str, Any] = dict(parse_async_url(self.url))
        factory: type[AsyncConnection] = options.pop(
            "connection_class", redis.asyncio.connection.Connection
        )
        retry = AsyncRetry(NoBackoff(), 0)
        return factory(
            **_plain(options),
            retry=retry,
            socket_timeout=None,
            socket_connect_timeout=None,
        )

    def blocking_connection(self, timeout_s: float) -> Connection:
        options: dict[str, Any] = dict(parse_url(self.url))
        factory: type[Connection] = options.pop("connection_class", Connection)
        return factory(
            **_plain(options),
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
        )


class Link:
    """One asyncio connection; calls take turns. After a failure the next call connects anew."""

    def __init__(self, connector: Connector, *, timeout_s: float) -> None:
        self._connector = connector
        self._timeout_s = timeout_s
        self._connection: AsyncConnection | None = None
        self._turn = asyncio.Lock()
        self.client_id: int | None = None

    async def call(self, *command: Argument, timeout_s: float | None = None) -> Any:
        """The raw reply to one command. Raises a `StoreError`; the command may have had effect."""
        async with self._turn:
            try:
                async with asyncio.timeout(timeout_s or self._timeout_s):
                    connection = self._connection or await self._connect()
                    await connection.send_packed_command(packed(connection, command))
                    return await connection.read_response()
            except redis.ResponseError as error:
                raise self._translated(error) from error
            except (redis.RedisError, OSError) as error:
                await self._drop()
                raise self._translated(error) from error
            except BaseException:
                await self._drop()
                raise

    async def calls(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """The raw replies to one pipeline of commands, a `StoreError` in place of a failed one.

        Raises `Unavailable` when the connection fails; any of the commands may have had effect.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    connection = self._connection or await self._connect()
                    await connection.send_packed_command(all_packed(connection, commands))
                    return await self._replies(connection, len(commands))
            except (redis.RedisError, OSError) as error:
                await self._drop()
                raise self._translated(error) from error
            except BaseException:
                await self._drop()
                raise

    async def run(self, call: Call[T]) -> T:
        """Runs a script and gives its parsed answer."""
        try:
            reply = await self.call(*call.by_sha())
        except StoreError as error:
            if not missing_script(error):
                raise
            reply = await self.call(*call.by_source())
        return call.parse(reply)

    async def run_all(self, calls: Sequence[Call[T]]) -> list[T | StoreError]:
        """The answers of scripts that are sent in one pipeline; an error in place of a failed one.

        Raises `Unavailable` when the connection fails; any of the calls may have had effect.
        """
        replies = await self.calls([call.by_sha() for call in calls])
        return [await self._parsed(call, reply) for call, reply in zip(calls, replies, strict=True)]

    async def connect(self) -> int:
        """Connects if need be; gives the connection's id, for CLIENT UNBLOCK."""
        async with self._turn:
            if self._connection is not None and self.client_id is not None:
                return self.client_id
        self.client_id = int(await self.call("CLIENT", "ID"))
        return self.client_id

    async def close(self) -> None:
        await self._drop()

    async def _connect(self) -> AsyncConnection:
        connection = self._connector.connection()
        try:
            await connection.connect()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection
        return connection

    async def _parsed(self, call: Call[T], reply: Any) -> T | StoreError:
        if not isinstance(reply, StoreError):
            return call.parse(reply)
        return await self.run(call) if missing_script(reply) else reply

    async def _replies(self, connection: AsyncConnection, count: int) -> list[Any]:
        """So many replies; after each that had to be waited for, those that came with it."""
        replies: list[Any] = []
        while len(replies) < count:
            replies.append(await self._reply(connection))
            for reply in come_already(connection, count - len(replies)):
                failed = isinstance(reply, redis.RedisError)
                replies.append(self._translated(reply) if failed else reply)
        return replies

    async def _reply(self, connection: AsyncConnection) -> Any:
        try:
            return await connection.read_response()
        except redis.ResponseError as error:
            return self._translated(error)

    async def _drop(self) -> None:
        connection, self._connection, self.client_id = self._connection, None, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _translated(self, error: Exception) -> StoreError:
        return translate(error, self._connector.safe_url)


def _checked(url: str) -> str:
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES:
        raise ConfigError(
            f"the URL {without_password(url)!r} can't be used: its scheme must be one of "
            + ", ".join(f"{name}://" for name in _SCHEMES)
        )
    try:
        parse_url(url)
    except ValueError as error:
        raise ConfigError(f"the URL {without_password(url)!r} can't be used: {error}") from error
    return url


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a connection whose replies are raw bytes."""
    fixed: dict[str, Any] = {"protocol": 2, "decode_responses": False}
    if "path" not in options:
        fixed["socket_keepalive"] = True
    return {**options, **fixed}
