"""What the looking commands share: does the stream, group or job exist, and if not, what then?"""

from __future__ import annotations

import difflib
import getpass
import socket
from typing import TYPE_CHECKING

from retraced.cli.remedy import command, consume
from retraced.errors import NotFound, UsageError
from retraced.filter import JOB_ID
from retraced.keys import Keys, stream_bytes

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.groups import StreamFacts


def job_id(given: str) -> bytes:
    """A job's id as Redis writes it. Raises UsageError for what can't be one."""
    match = JOB_ID.fullmatch(given)
    if match is None:
        raise UsageError(
            f"{given!r} isn't a job id: one looks like 1795501170340-0, as XADD answered it"
        )
    return b"%d-%d" % (int(match[1]), int(match[2] or 0))


def person() -> str:
    """Who asks, for the story: user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user id without an account, as containers have
        user = "unknown"
    name = f"{user}@{socket.gethostname()}"
    return name.encode("utf-8", "backslashreplace").decode()


async def found_stream(link: Link, stream: str) -> StreamFacts:
    """The stream's facts. Raises NotFound when neither it nor a group of it is known."""
    from retraced.store.reads.groups import known_groups, stream_facts

    facts = await stream_facts(link, stream_bytes(stream))
    if facts.exists:
        return facts
    known = sorted({name for name, _ in await known_groups(link)})
    if stream in known:
        return facts
    raise NotFound(f"there is no stream {stream!r}. {_hint(stream, known, 'streams')}")


async def found_group(link: Link, stream: str, group: str) -> tuple[Keys, StreamFacts]:
    """Keys and facts of a group of ReTraced's. Raises NotFound when the stream hasn't got it."""
    from retraced.store.reads.groups import groups_of

    keys = Keys.of(stream, group)
    facts = await found_stream(link, stream)
    ours, foreign = await groups_of(link, facts)
    if group in ours:
        return keys, facts
    if group in foreign:
        raise NotFound(
            f"the group {group!r} of {stream!r} isn't ReTraced's: other consumers work it. "
            f"{_hint(group, ours, 'groups')}"
        )
    raise NotFound(
        f"the stream {stream!r} has no group {group!r}. {_hint(group, ours, 'groups')} "
        f"To make it: `{command('groups', 'create', stream, '--group', group)}`"
    )


async def groups_meant(
    link: Link, stream: str, group: str | None
) -> tuple[StreamFacts, list[Keys]]:
    """The stream's facts, and the group that was named, else all of the stream that are ReTraced's.

    Raises NotFound when the stream or the group isn't there, or no group works the stream.
    """
    from retraced.store.reads.groups import groups_of

    if group is not None:
        keys, facts = await found_group(link, stream, group)
        return facts, [keys]
    facts = await found_stream(link, stream)
    ours, _ = await groups_of(link, facts)
    if not ours:
        raise NotFound(
            f"no group works {stream!r} yet, so its jobs have neither state nor story. Start a "
            f"worker: `{consume(stream, 'G')}`, or make a group: "
            f"`{command('groups', 'create', stream, '--group', 'G')}`"
        )
    return facts, [Keys.of(stream, name) for name in ours]


async def chosen_groups(link: Link, stream: str | None, group: str | None) -> list[tuple[str, str]]:
    """(stream, group) of all that are known, of one stream, or by name. Raises NotFound."""
    from retraced.store.reads.groups import known_groups

    if stream is not None and group is not None:
        await found_group(link, stream, group)
        return [(stream, group)]
    known = await known_groups(link)
    if stream is not None:
        await found_stream(link, stream)
        return [each for each in known if each[0] == stream]
    if group is None:
        return known
    chosen = [each for each in known if each[1] == group]
    if not chosen:
        names = sorted({name for _, name in known})
        raise NotFound(f"no stream has a group {group!r}. {_hint(group, names, 'groups')}")
    return chosen


def _hint(asked: str, known: list[str], kind: str) -> str:
    if not known:
        return (
            f"No {kind} are known yet; a worker makes them: `{consume('STREAM', 'G')}`. Is it the "
            "right server (--url)?"
        )
    close = difflib.get_close_matches(asked, known, n=3)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    shown = ", ".join(known[:10]) + (f" and {len(known) - 10:,} more" if len(known) > 10 else "")
    return f"Known {kind}: {shown}."
