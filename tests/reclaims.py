"""Reclaim calls on connections of their own, to be queued on a server that stands still."""

from __future__ import annotations

from redis.connection import Connection

from retraced.keys import Keys
from retraced.store import writes
from retraced.store.writes import Author
from tests.servers import Server


class QueuedReclaim:
    """A reclaim call of a worker that isn't there, to be queued on a stopped server."""

    def __init__(self, server: Server, stream: str, *, held_off: bool) -> None:
        call = writes.reclaim(
            Keys.of(stream, "g"),
            Author(b"thief", b""),
            free=100,
            free_suspects=0,
            holds=[],
            every_ms=500,
        )
        name, source, *rest = call.by_source()
        if not held_off:
            whole = call.script.source
            source = whole.replace(b"hold = hold,", b"hold = 0,")
            assert source != whole
        self._parse = call.parse
        self._connection = Connection(
            host="127.0.0.1", port=server.port, protocol=2, socket_timeout=20
        )
        self._connection.connect()
        self._command = self._connection.pack_command(name, source, *rest)

    def send(self) -> None:
        self._connection.send_packed_command(self._command)

    def taken(self) -> list[bytes]:
        answer = self._parse(self._connection.read_response())
        self._connection.disconnect()
        return [each.entry for each in answer.entries]
