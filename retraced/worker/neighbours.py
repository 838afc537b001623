"""Says what a person may not expect of a stream that a worker joins."""

from __future__ import annotations

from retraced.keys import Keys
from retraced.log import Log
from retraced.store.guard import Neighbours
from retraced.store.writes import Joined


def tell(log: Log, keys: Keys, seen: Neighbours, joined: Joined) -> None:
    """Says what a person may not expect of a group that was just made."""
    names = {"stream": keys.stream_name, "group": keys.group_name}
    if not seen.exists:
        log.info("stream_created", **names, what="it did not exist; is that its name?")
    elif joined.created and seen.ours and seen.shortened:
        log.warning(
            "late_group",
            **names,
            what=f"what other groups had settled is gone; it gets the {seen.entries} jobs that "
            "are left and those to come. --retain keeps settled jobs for groups to come",
        )
