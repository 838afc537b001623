"""`python -m tests.scale [--each 100000] [--url URL] [--only WORD]`: fills, runs, prints a table.

It starts a server of its own unless it is given one, and ends by itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import redis

from tests.scale.filling import GROUP, STREAM, TRACED, fill_server
from tests.scale.measure import Measured, first_in_line, idle, measure
from tests.servers import EMBEDDED, make
from tests.stock import Stocked

_MOST_S = 600.0
_FINDINGS = {"doctor": (1,)}  # it has found something


def main(arguments: Sequence[str]) -> int:
    """Runs everything; 1 if a command failed."""
    given = _parse(arguments)
    if given.url:
        return _run(given.url, given.each, given.only)
    server = make(EMBEDDED)
    try:
        with redis.Redis.from_url(server.url) as client:  # its fsyncs are not what is measured
            client.config_set("appendonly", "no")
            pid = int(client.info("server")["process_id"])
        return _run(server.url, given.each, given.only, pid)
    finally:
        server.close()


def _run(url: str, each: int, only: str, pid: int | None = None) -> int:
    stocked, traced = fill_server(url, each)
    if pid is not None:
        first_in_line(pid)
    print(
        f"{'COMMAND':38} {'SECONDS':>7} {'PING ms':>7} {'OVER 5':>7} {'CALL ms':>7}  LONGEST CALL"
    )
    _print(idle(url, 5.0))
    failed = 0
    for name, words in _commands(stocked, traced, each):
        if only in name:
            measured = measure(url, name, words, most_s=_MOST_S)
            _print(measured)
            failed += measured.code not in (0, *_FINDINGS.get(name, ()))
    return 1 if failed else 0


def _commands(stocked: Stocked, traced: str, each: int) -> Iterator[tuple[str, list[str]]]:
    """Name and words: first those that only look, then those that change."""
    group = ["--group", GROUP]
    at = [STREAM, *group]
    middle = each // 2
    yield "(what any command takes)", ["groups", "show", TRACED, *group]
    yield "trace, succeeded at once", ["trace", TRACED, traced]
    yield "trace, dead", ["trace", STREAM, stocked.dead[middle]]
    yield "jobs show, unread", ["jobs", "show", STREAM, stocked.unread[middle]]
    yield "jobs list", ["jobs", "list", *at]
    for state in ("queued", "delayed", "dead", "done", "cancelled"):
        yield f"jobs list, {state}", ["jobs", "list", *at, "--state", state]
    yield "jobs list, FILTER, 10,000 looked at", ["jobs", "list", *at, "error:no such thing"]
    scan = ["--scan", "10000000"]
    one = f"payload.user={each}"
    yield "jobs list, payload.user, all looked at", ["jobs", "list", *at, one, *scan]
    yield "jobs list, error, all looked at", ["jobs", "list", *at, "error:no such thing", *scan]
    yield "delayed list", ["delayed", "list", *at]
    yield "delayed list, FILTER, all", ["delayed", "list", *at, "type=none", *scan]
    yield "dlq list", ["dlq", "list", *at]
    yield "dlq list --by error", ["dlq", "list", *at, "--by", "error"]
    yield "dlq list, FILTER", ["dlq", "list", *at, "error:refused", "payload.user=77"]
    yield "dlq show", ["dlq", "show", STREAM, stocked.dead[middle], *group]
    yield "pending", ["pending", *at]
    yield "streams", ["streams"]
    yield "groups list", ["groups", "list"]
    yield "groups show", ["groups", "show", *at]
    yield "workers", ["workers", *at]
    yield "doctor", ["doctor"]
    yield "delayed run-now --all, dry run", ["delayed", "run-now", *at, "--all", "--dry-run"]
    fifth = ["--yes", "--limit", str(each // 5)]
    yield "delayed run-now, a fifth", ["delayed", "run-now", *at, "type=sms", *fifth]
    yield "delayed cancel --all", ["delayed", "cancel", *at, "--all", "--yes"]
    yield "jobs cancel, a fifth", ["jobs", "cancel", *at, "type=mail", *fifth]
    yield "dlq requeue, a fifth", ["dlq", "requeue", *at, "reason=exhausted", *fifth]
    yield "dlq purge --all", ["dlq", "purge", *at, "--all", "--yes"]


def _print(measured: Measured) -> None:
    code = f"  exit {measured.code}: {measured.said}" if measured.code else ""
    print(
        f"{measured.name:38} {measured.seconds:7.2f} {measured.ping_ms:7.1f} "
        f"{measured.late:7} {measured.command_ms:7.1f}  {measured.command}{code}",
        flush=True,
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.scale")
    parser.add_argument("--each", type=int, default=100_000, help="jobs of each state")
    parser.add_argument("--url", help="an empty server, to be filled; else one is started")
    parser.add_argument("--only", default="", help="only commands with this in their name")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
