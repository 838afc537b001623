"""Looks at a stream before a group is made on it: is it ours alone, may its entries go?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retraced.errors import Refused, WrongType
from retraced.keys import Keys
from retraced.store.connection import Link

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a stream holds that may not be ours to delete, and what it no longer holds."""

    exists: bool
    ours: bool  # a ReTraced group works it already, or did
    foreign_groups: tuple[str, ...]
    entries: int
    oldest_ms: int | None
    now_ms: int
    skipped: bool  # entries that stand before the place where the group is to begin
    shortened: bool  # entries that were in it are gone, as far as the server tells

    @property
    def old(self) -> bool:
        return self.oldest_ms is not None and self.now_ms - self.oldest_ms > DAY_MS


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


async def look_around(link: Link, keys: Keys, start: bytes) -> Neighbours:
    """Reads groups, age and length of the stream; changes nothing."""
    kind: bytes = await link.call("TYPE", keys.stream)
    if kind not in (b"stream", b"none"):
        raise WrongType(
            f"{keys.stream_name!r} is a {kind.decode()}, not a stream: use another name, "
            "or move that key away"
        )
    seconds, micros = await link.call("TIME")
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    if kind == b"none":
        return Neighbours(
            exists=False,
            ours=False,
            foreign_groups=(),
            entries=0,
            oldest_ms=None,
            now_ms=now_ms,
            skipped=False,
            shortened=False,
        )
    names = [_named(row) for row in await link.call("XINFO", "GROUPS", keys.stream)]
    known = {name: await _has_state(link, keys, name) for name in names}
    first = await link.call("XRANGE", keys.stream, "-", "+", "COUNT", 1)
    stream = _facts(await link.call("XINFO", "STREAM", keys.stream))
    return Neighbours(
        exists=True,
        ours=any(known.values()) or await _has_state(link, keys, keys.group),
        foreign_groups=tuple(name.decode("utf-8", "replace") for name in names if not known[name]),
        entries=stream[b"length"],
        oldest_ms=int(first[0][0].split(b"-")[0]) if first else None,
        now_ms=now_ms,
        skipped=bool(first) and (start == b"$" or _order(first[0][0]) <= _order(start)),
        shortened=_shortened(stream),
    )


async def _has_state(link: Link, keys: Keys, group: bytes) -> bool:
    state = keys.prefix[: -len(keys.group)] + group + b":state"
    return bool(await link.call("EXISTS", state))


def _named(row: list[bytes]) -> bytes:
    name: bytes = _facts(row)[b"name"]
    return name


def _facts(flat: list[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _shortened(stream: Mapping[bytes, Any]) -> bool:
    """Before Redis 7 a stream only tells that it had entries if it has none now."""
    added = stream.get(b"entries-added")
    if added is not None:
        return int(added) > int(stream[b"length"])
    return bool(stream[b"length"] == 0 and stream[b"last-generated-id"] != b"0-0")


def _order(entry: bytes) -> tuple[int, int]:
    ms, _, seq = entry.partition(b"-")
    return int(ms), int(seq or 0)


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
