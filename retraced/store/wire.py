"""What goes over a connection: commands packed, and replies taken many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import redis
from redis.asyncio.connection import AbstractConnection as AsyncConnection
from redis.connection import Connection
from redis.utils import HIREDIS_AVAILABLE

from retraced.store.scripts import Argument

_in_c: Callable[[tuple[Any, ...]], bytes] | None = None
if HIREDIS_AVAILABLE:
    from hiredis import pack_command as _in_c


def packed(connection: AsyncConnection, command: Sequence[Argument]) -> Any:
    """The command as it is sent: packed in C when hiredis is there."""
    return connection.pack_command(*command) if _in_c is None else _in_c(tuple(command))


def come_already(connection: AsyncConnection | Connection, most: int) -> Iterator[Any]:
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


def all_packed(
    connection: AsyncConnection | Connection, commands: Sequence[Sequence[Argument]]
) -> Any:
    """A pipeline as it is sent."""
    if _in_c is None:
        return connection.pack_commands(commands)
    return [b"".join([_in_c(tuple(command)) for command in commands])]
