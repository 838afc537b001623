"""The pause of a group: by whom, since when, why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

from retraced.durations import parse_integer
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.replies import text

FIELDS = ("paused_since", "paused_by", "paused_why")


class Pause(NamedTuple):
    """What a group's state says of its pause; texts may be empty."""

    since_ms: int
    by: str
    why: str

    @classmethod
    def parse(cls, state: Mapping[str, str]) -> Self | None:
        """From the facts in `P:state`; None if the group isn't paused."""
        since = state.get("paused_since")
        if since is None:
            return None
        by, why = state.get("paused_by", ""), state.get("paused_why", "")
        return cls(since_ms=parse_integer(since) or 0, by=by, why=why)


async def pause_of(link: Link, keys: Keys) -> Pause | None:
    """Who paused the group, when and why; None if it isn't paused."""
    values = await link.call("HMGET", keys.state, *FIELDS)
    found = zip(FIELDS, values, strict=True)
    return Pause.parse({name: text(value) for name, value in found if value is not None})
