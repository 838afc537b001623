"""Incidents of the server itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import redis

from tests.operations.incident import GROUP, STREAM, Incident
from tests.servers import ProcessServer, Server, free_port
from tests.waiting import wait_until
from tests.workers import Consumer


class Restarted(Incident):
    """Redis is restarted while jobs run."""

    def happen(self) -> None:
        self.work()
        self.add(5, ms="2000")
        wait_until(lambda: self.counts()["held"] == 5, 10, "they run")
        self.server.restart()


class Flushed(Incident):
    """Everything was deleted while a worker was at work."""

    def happen(self) -> None:
        self.work()
        self.add(5, ms="60000")
        wait_until(lambda: self.counts()["held"] == 5, 10, "they run")
        self.raw.flushall()
        lines = ['{"type": "charge", "order": 1}', '{"type": "charge", "order": 2}']
        (self.place / "lost.ndjson").write_text("\n".join(lines))


class Denied(Incident):
    """Somebody has taken rights from the workers' user; at their next start they end."""

    def happen(self) -> None:
        self._allow("+@all")
        self._start().stop()
        self.add(3)
        self._allow("-@all", "+@read", "+@connection", "+@scripting", "+info", "+time")
        app = ("--app", "tests.operations.shop:app")
        assert self.crew.consume(STREAM, *app, group=GROUP).ends() == 4

    def _allow(self, *rights: str) -> None:
        keys = ("~orders", "~retraced:*")
        self.raw.execute_command("ACL", "SETUSER", "worker", "on", ">secret", *keys, *rights)

    @property
    def environ(self) -> Mapping[str, str]:
        return {"WORKER_URL": self.server.url.replace("//", "//worker:secret@")}

    @property
    def hands(self) -> Mapping[str, Callable[[], object]]:
        return {"start the workers again": self._start}

    def _start(self) -> Consumer:
        self.crew.url = self.environ["WORKER_URL"]
        return self.work()


class Pair(Incident):
    """Two servers that reach each other: processes, as containers don't share 127.0.0.1."""

    other: Server

    def serve(self, server_name: str) -> Server:
        server, self.other = ProcessServer(), ProcessServer()
        server.start()
        self.other.start()
        return server

    def close(self) -> None:
        super().close()
        self.other.close()


class FailedOver(Pair):
    """The primary dies before its replica has the last three jobs; the replica takes its place.

    What clients know is the address: the replica takes over the primary's port, as a name or a
    proxy would lead there. The old primary comes back elsewhere, with what it had.
    """

    def happen(self) -> None:
        port = self.server.port
        with redis.Redis(port=self.other.port) as replica:
            replica.replicaof("127.0.0.1", str(port))
            worker = self.work()
            self.add(5)
            wait_until(lambda: not any(self.counts().values()), 10, "they are done")
            worker.stop()
            self.raw.wait(1, 5_000)
            replica.replicaof("127.0.0.1", "1")  # cut off: it gets nothing any more
            self.add(3, first=6)
            self.server.kill()
            replica.replicaof("NO", "ONE")
            replica.config_set("port", port)
        self.server.port, self.other.port = free_port(), port
        self.server.start()
        self.work()

    @property
    def environ(self) -> Mapping[str, str]:
        return {"OLD_URL": self.server.url, "RETRACED_URL": self.other.url}


class Moved(Pair):
    """A stream with jobs in every state is to go to another server."""

    def happen(self) -> None:
        worker = self.work()
        self.add(1, first=10)
        self.add(1, first=20)
        self.add(1, delay="1h")
        wait_until(lambda: self.counts()["dead"] == 2, 10, "two are dead")
        wait_until(lambda: self.counts()["delayed"] == 1, 10, "one is delayed")
        worker.stop()
        self.add(5)

    @property
    def environ(self) -> Mapping[str, str]:
        port = str(self.other.port)
        return {"NEW_URL": self.other.url, "NEW_HOST": "127.0.0.1", "NEW_PORT": port}

    @property
    def hands(self) -> Mapping[str, Callable[[], object]]:
        return {"start workers and producers with the new URL": self._start}

    def _start(self) -> None:
        self.crew.url = self.other.url
        self.work()
