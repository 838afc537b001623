"""Every Redis command that ReTraced says, by the names that COMMAND INFO and ACLs know.

A test holds it against the scripts and the store: one that is missing here fails there.
"""

from __future__ import annotations

NEEDED = (
    *("CLIENT", "COMMAND", "CONFIG", "EVAL", "EVALSHA", "INFO", "MEMORY", "PING", "SLOWLOG"),
    *("DEL", "EXISTS", "PEXPIRE", "PTTL", "SCAN", "TIME", "TYPE", "UNLINK"),
    *("HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY", "HKEYS", "HLEN", "HMGET", "HSCAN", "HSET"),
    *("SADD", "SCARD", "SISMEMBER", "SMISMEMBER", "SREM", "SSCAN"),
    *("XACK", "XADD", "XAUTOCLAIM", "XCLAIM", "XDEL", "XGROUP", "XINFO", "XLEN", "XPENDING"),
    *("XRANGE", "XREADGROUP", "XREVRANGE", "XTRIM"),
    *("ZADD", "ZCARD", "ZCOUNT", "ZRANGE", "ZRANGEBYSCORE", "ZRANK", "ZREM", "ZREVRANGE"),
    *("ZREVRANK", "ZSCORE"),
)
OPTIONAL = ("ACL",)  # asked only where the server has it
