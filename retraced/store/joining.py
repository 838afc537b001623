"""Joins a group, or says why this release mustn't: for workers and for `groups create`."""

from __future__ import annotations

from retraced.errors import ProtocolMismatch
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.scripts import Call
from retraced.store.writes import PROTOCOL, Joined


async def joined(link: Link, keys: Keys, call: Call[Joined]) -> Joined:
    """The answer to `writes.join`. Raises ProtocolMismatch when a newer release works the group."""
    answer = await link.run(call)
    if answer.protocol > PROTOCOL:
        raise ProtocolMismatch(
            f"group {keys.group_name!r} of stream {keys.stream_name!r} is worked by protocol "
            f"{answer.protocol}, this release knows up to {PROTOCOL}: upgrade it"
        )
    return answer
