"""Connections to Redis with raw replies: bytes in, bytes out, and nothing is retried here.

(But for a `SteadyLink`, which asks again what only reads.)

Everything above `store/` meets Redis through a `Link` (asyncio), a `BlockingLink` (the lease
thread) or a `Pool` of links (clients), and sees only the errors of `retraced.errors`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
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
from redis.utils import HIREDIS_AVAILABLE

from retraced.config import without_password
from retraced.errors import ConfigError, StoreError, Unavailable, WrongType
from retraced.store.failures import missing_script, translate
from retraced.store.scripts import Argument, Call

T = TypeVar("T")

_in_c: Callable[[tuple[Any, ...]], bytes] | None = None
if HIREDIS_AVAILABLE:
    from hiredis import pack_command as _in_c

_READING = frozenset(
    (
        *("EXISTS", "HEXISTS", "HGET", "HGETALL", "HLEN", "HMGET", "HSCAN", "INFO", "MEMORY"),
        *("PING", "PTTL", "SCAN", "SCARD", "SISMEMBER", "SMISMEMBER", "SSCAN", "TIME", "TYPE"),
        *("XINFO", "XLEN", "XPENDING", "XRANGE", "XREVRANGE"),
        *("ZCARD", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE", "ZSCORE"),
    )
)
_SCHEMES = ("redis", "rediss", "unix")


class Connector:
    """Knows one server's address and opens links to it; holds no connection itself.

    `timeout_s` bounds connecting and each reply of the links that it opens.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self.url = _checked(url)
        self.safe_url = without_password(url)
        self.timeout_s = timeout_s

    async def open(self, *, timeout_s: float | None = None, steady: bool = False) -> Link:
        """A link that has answered once. Raises `Unavailable` or `Denied`."""
        link = (SteadyLink if steady else Link)(self, timeout_s=timeout_s or self.timeout_s)
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
                    await connection.send_packed_command(_packed(connection, command))
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
                    await connection.send_packed_command(_all_packed(connection, commands))
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
            for reply in _come_already(connection, count - len(replies)):
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


class SteadyLink(Link):
    """A link that outlives its connection: what only reads is asked once more on a new one.

    And it names the key that has another type than a read needs, which the server leaves out.
    """

    async def call(self, *command: Argument, timeout_s: float | None = None) -> Any:
        had = self._connection
        try:
            return await super().call(*command, timeout_s=timeout_s)
        except WrongType as error:
            raise _naming(error, command) from error
        except Unavailable as error:
            if not self._may_ask_again(had, error, [command]):
                raise
        return await super().call(*command, timeout_s=timeout_s)

    async def calls(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        had = self._connection
        try:
            replies = await super().calls(commands)
        except Unavailable as error:
            if not self._may_ask_again(had, error, commands):
                raise
            replies = await super().calls(commands)
        return [
            _naming(reply, command) if isinstance(reply, WrongType) else reply
            for command, reply in zip(commands, replies, strict=True)
        ]

    def _may_ask_again(
        self,
        had: AsyncConnection | None,
        error: Unavailable,
        commands: Sequence[Sequence[Argument]],
    ) -> bool:
        """Whether a connection that had worked is lost, and no command may have had an effect."""
        lost = had is not None and self._connection is not had
        silent = isinstance(error.__cause__, TimeoutError | redis.TimeoutError)
        return lost and not silent and all(each[0] in _READING for each in commands)


class BlockingLink:
    """One connection for a thread that must not depend on the event loop."""

    def __init__(self, connector: Connector, *, timeout_s: float) -> None:
        self._connector = connector
        self._timeout_s = timeout_s
        self._connection: Connection | None = None

    def call(self, *command: Argument) -> Any:
        """The raw reply to one command. Raises a `StoreError`; the command may have had effect."""
        try:
            connection = self._connected()
            connection.send_command(*command)
            return connection.read_response()
        except redis.ResponseError as error:
            raise translate(error, self._connector.safe_url) from error
        except (redis.RedisError, OSError) as error:
            self.close()
            raise translate(error, self._connector.safe_url) from error

    def calls(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """The raw replies to one pipeline of commands, a `StoreError` in place of a failed one.

        Raises `Unavailable` when the connection fails; any of the commands may have had effect.
        """
        try:
            connection = self._connected()
            connection.send_packed_command(_all_packed(connection, commands))
            return self._replies(connection, len(commands))
        except (redis.RedisError, OSError) as error:
            self.close()
            raise translate(error, self._connector.safe_url) from error

    def run(self, call: Call[T]) -> T:
        """Runs a script and gives its parsed answer."""
        try:
            reply = self.call(*call.by_sha())
        except StoreError as error:
            if not missing_script(error):
                raise
            reply = self.call(*call.by_source())
        return call.parse(reply)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._connector.blocking_connection(self._timeout_s)
        return self._connection

    def _replies(self, connection: Connection, count: int) -> list[Any]:
        replies: list[Any] = []
        while len(replies) < count:
            replies.append(self._reply(connection))
            for reply in _come_already(connection, count - len(replies)):
                failed = isinstance(reply, redis.RedisError)
                replies.append(translate(reply, self._connector.safe_url) if failed else reply)
        return replies

    def _reply(self, connection: Connection) -> Any:
        try:
            return connection.read_response()
        except redis.ResponseError as error:
            return translate(error, self._connector.safe_url)


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


def _naming(error: WrongType, command: Sequence[Argument]) -> WrongType:
    """The error with the key that it is about; scripts name it themselves."""
    if command[0] not in _READING:
        return error
    key = command[2 if command[0] in ("MEMORY", "XINFO") else 1]
    named = key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else key
    return WrongType(f"{error}: {named}")


def _packed(connection: AsyncConnection, command: Sequence[Argument]) -> Any:
    """The command as it is sent: packed in C when hiredis is there."""
    return connection.pack_command(*command) if _in_c is None else _in_c(tuple(command))


def _come_already(connection: AsyncConnection | Connection, most: int) -> Iterator[Any]:
    """At most so many replies that hiredis holds by now, failed ones as exceptions.

    To ask redis-py for each takes longer than all else that a bulk XADD costs its producer. None
    without hiredis.
    """
    reader = getattr(connection._parser, "_reader", None)  # noqa: SLF001 - it has no public way
    if reader is None:
        return
    for _ in range(most):
        reply = reader.gets(False)
        if type(reply) is object:  # redis-py's mark: there is no whole one left
            return
        if isinstance(reply, redis.ConnectionError):
            raise reply
        yield reply


def _all_packed(
    connection: AsyncConnection | Connection, commands: Sequence[Sequence[Argument]]
) -> Any:
    """A pipeline as it is sent."""
    if _in_c is None:
        return connection.pack_commands(commands)
    return [b"".join([_in_c(tuple(command)) for command in commands])]


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
