"""Which rights a worker lacks, all at once: at its start, and for doctor.

Each command is tried directly, in a form that changes nothing: a script would stop at the first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from retraced.errors import Denied
from retraced.keys import GROUPS, Keys
from retraced.store.connection import Link
from retraced.store.scripts import Argument

Tried = tuple[Argument, ...]


async def lacking(link: Link, keys: Keys) -> list[str]:
    """What an ACL must add, as its rules: `+xadd`, `+client|id`, `~orders`; empty if all is there.

    The commands are tried on `P:probe`, the keys with EXISTS. MEMORY isn't asked for: only caps in
    bytes need it.
    """
    commands = _commands(keys.probe)
    places = {_pattern(key): ("EXISTS", key) for key in (keys.stream, keys.probe, GROUPS)}
    asked = [*commands.values(), *places.values()]
    replies = await link.calls(asked)
    told, reached = replies[: len(commands)], replies[len(commands) :]
    found = [
        f"+{name}" for name, reply in zip(commands, told, strict=True) if _command_denied(reply)
    ]
    # Where EXISTS itself is denied, nothing is known of keys.
    if "+exists" not in found:
        found += [
            rule
            for rule, reply in zip(places, reached, strict=True)
            if isinstance(reply, Denied) and rule not in found
        ]
    return found


async def check(link: Link, keys: Keys) -> None:
    """Raises Denied, naming all that a worker lacks."""
    missing = await lacking(link, keys)
    if missing:
        raise Denied(lacks(missing, await _user(link)))


def lacks(missing: Sequence[str], user: str) -> str:
    """The sentence about what is missing, and the command that gives it."""
    rules = " ".join(f"'{each}'" if set(each) & set("|*{}") else each for each in missing)
    return (
        f"this Redis user may not do what a worker needs: it lacks {', '.join(missing)}. "
        f"An administrator gives it that with: ACL SETUSER {user} {rules} - then start the "
        "worker again."
    )


def _commands(key: bytes) -> dict[str, Tried]:
    """By the rule that allows it, each command that a worker or its scripts run, on a scratch key.

    None has an effect where the key isn't there; SADD's is taken back.
    """
    return {
        "client|id": ("CLIENT", "ID"),
        "client|unblock": ("CLIENT", "UNBLOCK", 0),
        "time": ("TIME",),
        "eval": ("EVAL", "return 1", 0),
        "evalsha": ("EVALSHA", "0" * 40, 0),
        **_reads(key),
        **_writes(key),
    }


def _reads(key: bytes) -> dict[str, Tried]:
    return {
        "exists": ("EXISTS", key),
        "type": ("TYPE", key),
        "hexists": ("HEXISTS", key, "-"),
        "hget": ("HGET", key, "-"),
        "hgetall": ("HGETALL", key),
        "hkeys": ("HKEYS", key),
        "hlen": ("HLEN", key),
        "hmget": ("HMGET", key, "-"),
        "scard": ("SCARD", key),
        "sismember": ("SISMEMBER", key, "-"),
        "smismember": ("SMISMEMBER", key, "-"),
        "sscan": ("SSCAN", key, 0),
        "xinfo": ("XINFO", "STREAM", key),
        "xlen": ("XLEN", key),
        "xpending": ("XPENDING", key, "-"),
        "xrange": ("XRANGE", key, "-", "+", "COUNT", 1),
        "xrevrange": ("XREVRANGE", key, "+", "-", "COUNT", 1),
        "zcard": ("ZCARD", key),
        "zcount": ("ZCOUNT", key, 0, 0),
        "zrange": ("ZRANGE", key, 0, 0),
        "zrangebyscore": ("ZRANGEBYSCORE", key, 0, 0),
        "zscore": ("ZSCORE", key, "-"),
    }


def _writes(key: bytes) -> dict[str, Tried]:
    """HSET, HINCRBY and XGROUP are refused for what they are told, after the rights are looked at.

    A key that isn't there has no group either.
    """
    return {
        "hset": ("HSET", key, "odd", "number", "of words"),
        "hincrby": ("HINCRBY", key, "-", "no number"),
        "hdel": ("HDEL", key, "-"),
        "zadd": ("ZADD", key, "XX", 1, "-"),
        "zrem": ("ZREM", key, "-"),
        "sadd": ("SADD", key, "-"),
        "srem": ("SREM", key, "-"),
        "xgroup": ("XGROUP", "DESTROY", key, "-"),
        "xadd": ("XADD", key, "NOMKSTREAM", "*", "-", "-"),
        "xreadgroup": ("XREADGROUP", "GROUP", "-", "-", "COUNT", 1, "STREAMS", key, ">"),
        "xclaim": ("XCLAIM", key, "-", "-", 0, "1-1", "JUSTID"),
        "xautoclaim": ("XAUTOCLAIM", key, "-", "-", 0, "0-0", "COUNT", 1),
        "xack": ("XACK", key, "-", "1-1"),
        "xdel": ("XDEL", key, "1-1"),
        "xtrim": ("XTRIM", key, "MINID", "0-1"),
        "pexpire": ("PEXPIRE", key, 60_000),
        "del": ("DEL", key),
        "unlink": ("UNLINK", key),
    }


def _pattern(key: bytes) -> str:
    name = key.decode("utf-8", "backslashreplace")
    return "~retraced:*" if name.startswith("retraced:") else f"~{name}"


def _command_denied(reply: Any) -> bool:
    """Whether the command was denied, not the key: `No permissions to access a key`, `... one of
    the keys used as arguments`.
    """
    return isinstance(reply, Denied) and re.search(r"access .*\bkeys?\b", str(reply)) is None


async def _user(link: Link) -> str:
    """The ACL user of this connection, `USER` where the server doesn't tell."""
    [reply] = await link.calls([("ACL", "WHOAMI")])
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else "USER"
