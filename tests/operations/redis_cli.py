"""Stands in for redis-cli where there is none: what the runbook says to it, over a plain socket.

Understands -u URL, -h, -p, -n, --no-auth-warning, and --scan --pattern P. Prints replies as
redis-cli does: numbered and quoted at a terminal, bare in a pipe. A script of its own, so that it
starts at once.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit


class Failed(Exception):
    """An error reply."""


class Connection:
    """RESP2 to one server."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=30)
        self._file: BinaryIO = self._socket.makefile("rb")

    def call(self, *words: str) -> Any:
        """A reply: int, bytes, str (a status), None, list, or Failed."""
        parts = [word.encode("utf-8", "surrogateescape") for word in words]
        sent = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
        self._socket.sendall(b"*%d\r\n" % len(parts) + b"".join(sent))
        return self._reply()

    def _reply(self) -> Any:
        line = self._file.readline()
        kind, rest = line[:1], line[1:-2]
        match kind:
            case b"+":
                return rest.decode()
            case b"-":
                return Failed(rest.decode())
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
            case b"*":
                return None if rest == b"-1" else [self._reply() for _ in range(int(rest))]
            case _:
                raise SystemExit("Error: Server closed the connection")


def main(arguments: list[str]) -> int:
    """Runs one command; 1 when it can't connect or the server answers with an error."""
    url, words, scan = _options(arguments)
    parts = urlsplit(url)
    try:
        connection = Connection(parts.hostname or "127.0.0.1", parts.port or 6379)
    except OSError as error:
        print(f"Could not connect to Redis at {parts.hostname}:{parts.port}: {error.strerror}")
        return 1
    if parts.password:
        login = [part for part in (parts.username, parts.password) if part]
        reply = connection.call("AUTH", *map(unquote, login))
        if isinstance(reply, Failed):
            print(f"AUTH failed: {reply}")
    if parts.path.strip("/"):
        connection.call("SELECT", parts.path.strip("/"))
    if scan is not None:
        for key in _scanned(connection, scan):
            print(key.decode("utf-8", "surrogateescape"))
        return 0
    reply = connection.call(*words)
    print("\n".join(_lines(reply) if sys.stdout.isatty() else _bare(reply)))
    return 1 if isinstance(reply, Failed) else 0


def _options(arguments: list[str]) -> tuple[str, list[str], str | None]:
    """(URL, the command's words, the pattern of --scan)."""
    url, host, port, database = "", "127.0.0.1", "6379", "0"
    scan, pattern, left = False, "*", list(arguments)
    while left and left[0].startswith("-"):
        match left.pop(0):
            case "-u":
                url = left.pop(0)
            case "-h":
                host = left.pop(0)
            case "-p":
                port = left.pop(0)
            case "-n":
                database = left.pop(0)
            case "--scan":
                scan = True
            case "--pattern":
                pattern = left.pop(0)
            case "--no-auth-warning":
                pass
            case other:
                raise SystemExit(f"this stand-in for redis-cli doesn't know {other}")
    return url or f"redis://{host}:{port}/{database}", left, pattern if scan else None


def _scanned(connection: Connection, pattern: str) -> Iterator[bytes]:
    cursor = "0"
    while True:
        at, keys = connection.call("SCAN", cursor, "MATCH", pattern, "COUNT", "1000")
        yield from keys
        cursor = at.decode()
        if cursor == "0":
            return


def _lines(reply: Any) -> list[str]:
    match reply:
        case Failed():
            return [f"(error) {reply}"]
        case None:
            return ["(nil)"]
        case int():
            return [f"(integer) {reply}"]
        case str():
            return [reply]
        case bytes():
            return [_quoted(reply)] if not _is_report(reply) else reply.decode().splitlines()
        case []:
            return ["(empty array)"]
        case _:
            return _listed(reply)


def _bare(reply: Any) -> list[str]:
    match reply:
        case None:
            return [""]
        case bytes():
            return [reply.decode("utf-8", "surrogateescape")]
        case list():
            return [line for item in reply for line in _bare(item)]
        case _:
            return [str(reply)]


def _listed(items: list[Any]) -> list[str]:
    lines = []
    width = len(str(len(items)))
    for number, item in enumerate(items, start=1):
        first, *more = _lines(item)
        lines += [f"{number:>{width}}) {first}", *(" " * (width + 2) + line for line in more)]
    return lines


def _is_report(reply: bytes) -> bool:
    """INFO is printed as it is."""
    return reply.startswith(b"# ") and b"\r\n" in reply


def _quoted(raw: bytes) -> str:
    shown = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t", 7: "\\a", 8: "\\b"}
    plain = (shown.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in raw)
    return f'"{"".join(plain)}"'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
