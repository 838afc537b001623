"""Says what keeps a part of the worker from its work at Redis: once, and when it is over."""

from __future__ import annotations

from retraced.errors import StoreError, Unavailable
from retraced.log import Log


def report(log: Log, part: str, error: StoreError) -> None:
    """`part` says what waits, for which stream. That Redis is away is said once for all parts."""
    if isinstance(error, Unavailable):
        log.once("redis", "redis_away", part=part, error=error, what="trying again by itself")
    else:
        log.once(part, "redis_refuses", doing=part, error=error, what="trying again by itself")


def over(log: Log, part: str) -> None:
    """This part works again."""
    log.over("redis", "redis_back", part=part)
    log.over(part, "redis_accepts", doing=part)
