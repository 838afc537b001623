"""The fields that ReTraced adds to its own copies of an entry: all begin with `@`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retraced.errors import InvalidEntry, quoted

_FOREIGN = "this entry wasn't written by ReTraced"
_ID = re.compile(rb"[0-9]{1,20}-[0-9]{1,20}")
_COUNT = re.compile(rb"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Carried:
    """The `@` fields of an entry of `ready`: what the job brings from earlier deliveries."""

    job: bytes
    attempt: int = 0
    deliveries: int = 0
    lost: int = 0
    crashes: int = 0
    due_ms: int | None = None
    begun: bool = False
    in_record: bool = False


def split_ready(fields: Sequence[bytes]) -> tuple[Carried, list[bytes]]:
    """Parts an entry of `ready` or `dlq` into what ReTraced added and the original fields.

    A producer's `@x` stands there as `@@x` and comes back as it was. InvalidEntry when the `@`
    fields aren't ours: someone else wrote the entry.
    """
    ours: dict[bytes, bytes] = {}
    original: list[bytes] = []
    for name, value in zip(fields[::2], fields[1::2], strict=True):
        if not name.startswith(b"@"):
            original += name, value
        elif name.startswith(b"@@"):
            original += name[1:], value
        else:
            ours[name] = value
    job = ours.get(b"@job", b"")
    if not _ID.fullmatch(job):
        raise InvalidEntry("@job", f"{quoted(job)} isn't a job id: {_FOREIGN}")
    due = ours.get(b"@due")
    carried = Carried(
        job=job,
        attempt=_count(ours, b"@attempt"),
        deliveries=_count(ours, b"@deliveries"),
        lost=_count(ours, b"@lost"),
        crashes=_count(ours, b"@crashes"),
        due_ms=None if due is None else _count(ours, b"@due"),
        begun=ours.get(b"@begun") == b"1",
        in_record=ours.get(b"@record") == b"1",
    )
    return carried, original


def _count(ours: Mapping[bytes, bytes], name: bytes) -> int:
    raw = ours.get(name, b"0")
    if not _COUNT.fullmatch(raw):
        raise InvalidEntry(name.decode(), f"{quoted(raw)} isn't a count: {_FOREIGN}")
    return int(raw)
