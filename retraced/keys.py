"""Every key name of section 4 of the design, all in the stream's own slot, and which names may be.

The only place where a key is spelled; store, worker and CLI ask here.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

from retraced.errors import InvalidName, quoted

GROUPS = b"retraced:groups"
SLOTS = 16384
DEFAULT_VISIBILITY_MS = 30_000  # of a group whose first worker asked for no other
_GROUP_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one group of one stream; `prefix` is `P` of the design."""

    stream: bytes
    group: bytes
    prefix: bytes
    settings: bytes
    ready: bytes
    delayed: bytes
    finished: bytes
    cancelled: bytes
    dlq: bytes
    events: bytes
    workers: bytes
    state: bytes
    rates: bytes
    probe: bytes

    @classmethod
    def of(cls, stream: str, group: str) -> Keys:
        """Keys of `group` on `stream`; InvalidName for names that can't be used."""
        name, member = stream_bytes(stream), group_bytes(group)
        companion = _companion(name)
        prefix = companion + b":" + member
        return cls(
            stream=name,
            group=member,
            prefix=prefix,
            settings=companion + b":settings",
            ready=prefix + b":ready",
            delayed=prefix + b":delayed",
            finished=prefix + b":finished",
            cancelled=prefix + b":cancelled",
            dlq=prefix + b":dlq",
            events=prefix + b":events",
            workers=prefix + b":workers",
            state=prefix + b":state",
            rates=prefix + b":rates",
            probe=prefix + b":probe",
        )

    @property
    def stream_name(self) -> str:
        """The stream, as people write it."""
        return self.stream.decode()

    @property
    def group_name(self) -> str:
        """The group, as people write it."""
        return self.group.decode()

    def job(self, job_id: bytes) -> bytes:
        """The record of one job."""
        return b"%b:job:%b" % (self.prefix, job_id)

    def worker(self, consumer: bytes) -> bytes:
        """What one worker last said about itself."""
        return b"%b:worker:%b" % (self.prefix, consumer)

    def times(self, slot: int) -> bytes:
        """How long jobs waited and ran in one slot of ten minutes (Redis ms // 600,000)."""
        return b"%b:times:%d" % (self.prefix, slot)


def stream_bytes(stream: str) -> bytes:
    """A stream's name as Redis holds it; InvalidName when it can't be used."""
    if not stream:
        raise InvalidName("a stream needs a name; this one is empty")
    if _CONTROL.search(stream):
        raise InvalidName(f"the stream name {quoted(stream)} has a control character; rename it")
    try:
        return stream.encode()
    except UnicodeEncodeError:
        raise InvalidName(f"the stream name {quoted(stream)} isn't valid text (UTF-8)") from None


def group_bytes(group: str) -> bytes:
    """A group's name as Redis holds it; InvalidName when it can't be used."""
    if not _GROUP_NAME.fullmatch(group):
        raise InvalidName(
            f"the group name {quoted(group)} can't be used: "
            "take ASCII letters, digits and the characters _ . - (at least one)"
        )
    return group.encode()


def group_member(stream: str, group: str) -> bytes:
    """What stands for a group in the set `retraced:groups`: `<group>:<stream>`."""
    return group_bytes(group) + b":" + stream_bytes(stream)


def parse_group_member(member: bytes) -> tuple[str, str]:
    """(stream, group) of a member of `retraced:groups`; InvalidName for one we didn't write."""
    try:
        group, colon, stream = member.decode().partition(":")
    except UnicodeDecodeError:
        raise InvalidName(f"{quoted(member)} in {GROUPS.decode()} isn't UTF-8") from None
    if not colon:
        raise InvalidName(f"{quoted(member)} in {GROUPS.decode()} isn't of the form group:stream")
    group_bytes(group)
    stream_bytes(stream)
    return stream, group


def id_parts(entry: bytes) -> tuple[int, int]:
    """The two numbers by which the ids of entries, and so of jobs, are ordered."""
    first, _, second = entry.partition(b"-")
    return int(first), int(second or b"0")


def padded(job: bytes) -> bytes:
    """A job's id as `P:delayed` holds it: members of one score keep the order of ids."""
    ms, _, seq = job.partition(b"-")
    return ms.rjust(20, b"0") + b"-" + seq.rjust(20, b"0")


def unpadded(member: bytes) -> bytes:
    """The job id of a member of `P:delayed` or `P:finished`; what is none stays as it is."""
    ms, dash, seq = member.partition(b"-")
    if not (dash and ms.isdigit() and seq.isdigit()):
        return member
    return b"%d-%d" % (int(ms), int(seq))


def slot(name: bytes) -> int:
    """The cluster slot of a key."""
    return binascii.crc_hqx(_hash_tag(name), 0) % SLOTS


def _companion(stream: bytes) -> bytes:
    """`Q` of the design: the prefix of keys that lie in the slot of `stream`."""
    wrapped, beside = b"retraced:{%b}" % stream, b"retraced::" + stream
    tag = _hash_tag(stream)
    # A name without a tag has no slot-mate under `retraced::`: there the prefix would be hashed.
    if tag != stream and _hash_tag(beside) == tag:
        return beside
    if _hash_tag(wrapped) == tag:
        return wrapped
    raise InvalidName(
        f"the stream name {quoted(stream)} can't be used: no other key can be put into its "
        "cluster slot; rename it, without braces or with one non-empty {tag}"
    )


def _hash_tag(name: bytes) -> bytes:
    """The part of a key that Redis hashes: between the first `{` and the next `}`, or all."""
    start = name.find(b"{")
    if start < 0:
        return name
    end = name.find(b"}", start + 1)
    return name[start + 1 : end] if end > start + 1 else name
