"""Puts jobs into the benchmark's stream, as any producer would: plain XADD, pipelined."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson
import redis

from scripts.bench.server import STREAM

_PAGE = 1000
_PAD = "x" * 64


def payload(number: int, at: float = 0.0) -> bytes:
    """The body of a job: its number, when it was meant to begin, and something to carry."""
    return orjson.dumps({"n": number, "at": at, "pad": _PAD})


def fill(
    client: redis.Redis, jobs: int, kind: str, fields: Mapping[str, str] | None = None
) -> None:
    """Adds so many jobs of a type, with further fields if given."""
    more: dict[Any, Any] = dict(fields or {})
    for start in range(0, jobs, _PAGE):
        with client.pipeline(transaction=False) as pipe:
            for number in range(start, min(start + _PAGE, jobs)):
                pipe.xadd(STREAM, {"type": kind, "payload": payload(number), **more})
            pipe.execute()


def steadily(client: redis.Redis, jobs: int, *, per_s: float, kind: str) -> None:
    """Adds jobs one by one at a steady rate; each carries the time at which it was added."""
    begin = time.monotonic()
    for number in range(jobs):
        time.sleep(max(0.0, begin + number / per_s - time.monotonic()))
        client.xadd(STREAM, {"type": kind, "payload": payload(number, time.time())})
