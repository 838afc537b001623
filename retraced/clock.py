"""The Redis clock as this process sees it: one anchor, moved on by the monotonic clock.

The worker sets it from the time that scripts answer, and asks it for "now" without a round trip.
"""

from __future__ import annotations


class RedisClock:
    """Redis milliseconds for instants of the local monotonic clock (in seconds)."""

    __slots__ = ("_anchor",)

    def __init__(self) -> None:
        # One tuple, so that another thread never sees half of a new anchor.
        self._anchor: tuple[int, float] | None = None

    @property
    def known(self) -> bool:
        """Whether Redis has told its time yet."""
        return self._anchor is not None

    def set(self, redis_ms: int, monotonic: float) -> None:
        """Redis said `redis_ms` at the local instant `monotonic`."""
        self._anchor = (redis_ms, monotonic)

    def at(self, monotonic: float) -> int:
        """Redis time in ms at a local instant; RuntimeError while it isn't known."""
        if self._anchor is None:
            raise RuntimeError("the Redis clock isn't known yet: call set() with a reply's time")
        redis_ms, then = self._anchor
        return redis_ms + int((monotonic - then) * 1000)
