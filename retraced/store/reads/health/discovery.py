"""Groups that `retraced:groups` doesn't name, and names in it that mean nothing; bounded."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from retraced.errors import Denied, InvalidName, StoreError
from retraced.keys import GROUPS, Keys, group_member, parse_group_member
from retraced.store.connection import Link
from retraced.store.reads.replies import settled, text

SCAN_SECONDS = 2.0
_PAGE = 500
_SUFFIX = b":state"
_BRACED, _BESIDE = b"retraced:{", b"retraced::"


@dataclass(slots=True)
class Discovery:
    """What the set says, what is there besides, and how far the search for it went.

    `lost`: by how each was found (`its stream` or `a scan`). `stale`: members that stand for no
    group, neither by its state nor in its stream. `foreign`: the type of the set's key, if wrong.
    `refused`: why nothing could be scanned.
    """

    known: list[Keys] = field(default_factory=list)
    lost: list[tuple[Keys, str]] = field(default_factory=list)
    stale: list[bytes] = field(default_factory=list)
    scanned: int = 0
    complete: bool = True
    foreign: str | None = None
    refused: Denied | None = None


async def discover(link: Link, *, scan_s: float = SCAN_SECONDS) -> Discovery:
    """Reads the set, asks each stream that it names for its groups, then scans for `...:state`."""
    kind: bytes = await link.call("TYPE", GROUPS)
    found = Discovery()
    if kind not in (b"set", b"none"):
        found.foreign = text(kind)
    members = [] if found.foreign else [page async for page in _members(link)]
    named = [(member, _keys_of(member)) for page in members for member in page]
    found.stale = [member for member, keys in named if keys is None]
    await _sort(link, [keys for _, keys in named if keys is not None], found)
    await _from_streams(link, found)
    try:
        await _from_scan(link, found, scan_s)
    except Denied as error:
        found.complete, found.refused = False, error
    return found


async def put_back(link: Link, keys: Iterable[Keys]) -> None:
    """Makes groups known again."""
    members = [group_member(each.stream_name, each.group_name) for each in keys]
    await link.call("SADD", GROUPS, *members)


def keys_of_state(key: bytes) -> Keys | None:
    """The group whose state this key holds, by its name; None if it can't be one's."""
    if not key.endswith(_SUFFIX):
        return None
    companion, _, group = key[: -len(_SUFFIX)].rpartition(b":")
    if companion.startswith(_BRACED) and companion.endswith(b"}"):
        stream = companion[len(_BRACED) : -1]
    elif companion.startswith(_BESIDE):
        stream = companion[len(_BESIDE) :]
    else:
        return None
    try:
        keys = Keys.of(stream.decode(), group.decode())
    except (InvalidName, UnicodeDecodeError):
        return None
    return keys if keys.state == key else None


async def _members(link: Link) -> AsyncIterator[list[bytes]]:
    cursor = b"0"
    while True:
        cursor, members = await link.call("SSCAN", GROUPS, cursor, "COUNT", _PAGE)
        yield members
        if cursor == b"0":
            return


def _keys_of(member: bytes) -> Keys | None:
    try:
        return Keys.of(*parse_group_member(member))
    except InvalidName:
        return None


async def _sort(link: Link, named: list[Keys], found: Discovery) -> None:
    """Which of the named groups exist, by their state or in their stream."""
    for start in range(0, len(named), _PAGE):
        page = named[start : start + _PAGE]
        asked: list[tuple[bytes | str, ...]] = []
        for keys in page:
            asked += [("EXISTS", keys.state), ("XINFO", "GROUPS", keys.stream)]
        replies = await link.calls(asked)
        for at, keys in enumerate(page):
            state, groups = settled(replies[2 * at]), replies[2 * at + 1]
            if state or keys.group in _names(groups):
                found.known.append(keys)
            else:
                found.stale.append(group_member(keys.stream_name, keys.group_name))


async def _from_streams(link: Link, found: Discovery) -> None:
    seen = {keys.state for keys in found.known}
    for stream in sorted({keys.stream for keys in found.known}):
        for group in _names((await link.calls([("XINFO", "GROUPS", stream)]))[0]):
            keys = _keys(stream, group)
            if keys is not None and keys.state not in seen:
                seen.add(keys.state)
                await _if_ours(link, keys, found, "its stream")


async def _from_scan(link: Link, found: Discovery, scan_s: float) -> None:
    until = time.monotonic() + scan_s
    seen = {keys.state for keys in found.known} | {keys.state for keys, _ in found.lost}
    cursor = b"0"
    while True:
        cursor, page = await link.call(
            "SCAN", cursor, "MATCH", b"retraced:*" + _SUFFIX, "COUNT", _PAGE
        )
        found.scanned += _PAGE
        for key in page:
            keys = keys_of_state(key)
            if keys is not None and key not in seen:
                seen.add(key)
                await _if_ours(link, keys, found, "a scan")
        if cursor == b"0":
            return
        if time.monotonic() > until:
            found.complete = False
            return


async def _if_ours(link: Link, keys: Keys, found: Discovery, how: str) -> None:
    try:
        ours = await link.call("HEXISTS", keys.state, "protocol")
    except StoreError:  # another type: not a state
        return
    if ours:
        found.lost.append((keys, how))


def _keys(stream: bytes, group: bytes) -> Keys | None:
    try:
        return Keys.of(stream.decode(), group.decode())
    except (InvalidName, UnicodeDecodeError):  # a foreign group may be called anything
        return None


def _names(groups: object) -> list[bytes]:
    """The names in a reply to XINFO GROUPS; none if it failed."""
    if not isinstance(groups, list):
        return []
    return [dict(zip(row[::2], row[1::2], strict=True))[b"name"] for row in groups]
