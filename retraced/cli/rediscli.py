"""Commands of redis-cli for the server that is meant, whole, so that they can be pasted."""

from __future__ import annotations

from urllib.parse import urlsplit

from retraced.cli import shell


def redis_cli(url: str, *words: str) -> str:
    """A command line for redis-cli, quoted for a shell, without a password."""
    parts = urlsplit(url)
    command = ["redis-cli"]
    if parts.scheme == "unix":
        command += ["-s", parts.path]
    else:
        command += ["-h", parts.hostname or "127.0.0.1", "-p", str(parts.port or 6379)]
        database = parts.path.strip("/")
        command += ["-n", database] if database not in ("", "0") else []
        command += ["--tls"] if parts.scheme == "rediss" else []
    command += ["--user", parts.username] if parts.username else []
    command += ["--askpass"] if parts.password else []
    return shell.joined([*command, *words])
