"""A connection for a thread that must not depend on the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import redis
from redis.connection import Connection

from retraced.errors import StoreError
from retraced.store.failures import missing_script, translate
from retraced.store.scripts import Argument, Call
from retraced.store.wire import all_packed, come_already

if TYPE_CHECKING:
    from retraced.store.connection import Connector

T = TypeVar("T")


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
            connection.send_packed_command(all_packed(connection, commands))
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
            for reply in come_already(connection, count - len(replies)):
                failed = isinstance(reply, redis.RedisError)
                replies.append(translate(reply, self._connector.safe_url) if failed else reply)
        return replies

    def _reply(self, connection: Connection) -> Any:
        try:
            return connection.read_response()
        except redis.ResponseError as error:
            return translate(error, self._connector.safe_url)
