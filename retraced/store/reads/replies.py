"""Raw replies taken apart: flat pairs, stream ids, errors that stand in a reply's place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from retraced.errors import GroupMissing, StoreError
from retraced.store.connection import Link

SMALLEST = b"0-0"


def settled(reply: Any) -> Any:
    """The reply, or the error that stands in its place, raised."""
    if isinstance(reply, StoreError):
        raise reply
    return reply


def if_group(reply: Any, absent: Any) -> Any:
    """The reply, or `absent` if the stream or the group doesn't exist."""
    return absent if isinstance(reply, GroupMissing) else settled(reply)


def if_stream(reply: Any, absent: Any) -> Any:
    """The reply to XINFO, or `absent` if the stream doesn't exist."""
    if isinstance(reply, StoreError) and "no such key" in str(reply).lower():
        return absent
    return if_group(reply, absent)


def pairs(flat: Sequence[Any] | None) -> dict[bytes, Any]:
    """`[name, value, name, value]` as a dict; of names that come twice the last one counts."""
    flat = flat or ()
    return dict(zip(flat[::2], flat[1::2], strict=True))


def number(value: bytes | int | None, default: int = 0) -> int:
    """The integer in a reply or a field, `default` if it is absent or isn't one."""
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        return default


def after(entry_id: bytes) -> bytes:
    """The start of a range that begins behind an id (the `(id` form, known since Redis 6.2)."""
    return b"(" + entry_id


def text(value: bytes) -> str:
    """Bytes for people; what isn't UTF-8 is shown as escapes."""
    return value.decode("utf-8", "backslashreplace")


async def redis_now(link: Link) -> int:
    """The time by Redis's clock, in ms."""
    return time_ms(await link.call("TIME"))


def time_ms(reply: Sequence[bytes]) -> int:
    """The reply to TIME in ms."""
    seconds, micros = reply
    return int(seconds) * 1000 + int(micros) // 1000
