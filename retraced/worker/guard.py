"""Looks at a stream before a worker joins: may its entries be deleted, and is it the one meant?"""

from __future__ import annotations

from retraced.errors import Refused
from retraced.keys import Keys
from retraced.log import Log
from retraced.store.connection import Link
from retraced.store.guard import Neighbours, look_around
from retraced.store.writes import Joined


async def check(link: Link, keys: Keys, *, start: bytes, consent: bool = False) -> Neighbours:
    """What the stream holds. Without consent it raises `Refused` when that isn't plainly ours
    alone, and says what would be deleted.
    """
    seen = await look_around(link, keys, start)
    if seen.ours or consent:
        return seen
    reasons = _reasons(seen)
    if reasons:
        raise Refused(
            f"stream {keys.stream_name!r} has {seen.entries} entries now; group "
            f"{keys.group_name!r} deletes what it has settled or skipped, and "
            f"{'; '.join(reasons)}. Start it once with --delete-settled if that is what you want, "
            "or with --retain all (or 7d, or 100000) to keep them."
        )
    return seen


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


def _reasons(seen: Neighbours) -> list[str]:
    reasons = []
    if seen.foreign_groups:
        reasons.append(
            f"groups that are not of ReTraced read it ({', '.join(seen.foreign_groups)})"
        )
    if seen.old:
        reasons.append("its oldest entry was added more than a day ago")
    if seen.skipped:
        reasons.append("the group would begin after some of them (--from)")
    return reasons
