"""A link for people's commands: it outlives its connection, and names keys of a wrong type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from redis.asyncio.connection import AbstractConnection as AsyncConnection

from retraced.errors import Unavailable, WrongType
from retraced.store.connection import Link
from retraced.store.scripts import Argument

_READING = frozenset(
    (
        *("EXISTS", "HEXISTS", "HGET", "HGETALL", "HLEN", "HMGET", "HSCAN", "INFO", "MEMORY"),
        *("PING", "PTTL", "SCAN", "SCARD", "SISMEMBER", "SMISMEMBER", "SSCAN", "TIME", "TYPE"),
        *("XINFO", "XLEN", "XPENDING", "XRANGE", "XREVRANGE"),
        *("ZCARD", "ZRANGE", "ZRANGEBYSCORE", "ZREVRANGE", "ZSCORE"),
    )
)


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


def _naming(error: WrongType, command: Sequence[Argument]) -> WrongType:
    """The error with the key that it is about; scripts name it themselves."""
    if command[0] not in _READING:
        return error
    key = command[2 if command[0] in ("MEMORY", "XINFO") else 1]
    named = key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else key
    return WrongType(f"{error}: {named}")
