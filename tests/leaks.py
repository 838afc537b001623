"""What a test may leave in Redis: keys of its own streams that are known as permanent, or a TTL."""

from __future__ import annotations

import re

import redis

# <prefix>:<group>:<one of these> holds state for good; all else that ReTraced makes must expire.
_PERMANENT = re.compile(
    rb"(ready|delayed|finished|cancelled|dlq|events|workers|state|job:[^:]+)$|:settings$"
)
_GROUPS = b"retraced:groups"


def leaked(client: redis.Redis, stream: str) -> list[str]:
    """The keys that a test on `stream` should not have left, each with the reason."""
    own = stream.encode()
    found: list[str] = []
    for key in keys_of(client):
        if key == _GROUPS:
            continue
        if own not in key:
            found.append(f"{key!r} isn't of this test's stream")
        elif _is_ours(key) and not _PERMANENT.search(key) and _never_expires(client, key):
            found.append(f"{key!r} is not known as permanent and has no TTL")
    return found


def clear(client: redis.Redis) -> None:
    """Forgets everything that tests have left."""
    client.flushdb()


def keys_of(client: redis.Redis) -> list[bytes]:
    return sorted(client.scan_iter(count=1000))


def _is_ours(key: bytes) -> bool:
    return key.startswith((b"retraced:{", b"retraced::"))


def _never_expires(client: redis.Redis, key: bytes) -> bool:
    return int(client.pttl(key)) == -1
