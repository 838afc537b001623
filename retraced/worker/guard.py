"""Asks before a worker's first group would delete entries that may not be ours to delete."""

from __future__ import annotations

from retraced.errors import Refused
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.guard import Neighbours, look_around


async def check(link: Link, keys: Keys, *, start: bytes) -> None:
    """Raises `Refused` when the stream isn't plainly ours alone; says what would be deleted."""
    seen = await look_around(link, keys, start)
    if seen.ours:
        return
    reasons = _reasons(seen)
    if reasons:
        raise Refused(
            f"stream {keys.stream_name!r} has {seen.entries} entries now; group "
            f"{keys.group_name!r} deletes what it has settled or skipped, and "
            f"{'; '.join(reasons)}. Start it once with --delete-settled if that is what you want."
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
