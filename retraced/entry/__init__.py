"""The wire protocol, version 1: what a stream entry means, how it is read and how it is written."""

from retraced.entry.carried import Carried, split_ready
from retraced.entry.decoding import (
    MOST_ATTEMPTS,
    RESERVED,
    ROUTING_FIELDS,
    SCHEDULE_FIELDS,
    Entry,
    decode,
)
from retraced.entry.encoding import encode
from retraced.entry.schedule import added_ms, due_ms, expires_ms, notes

__all__ = [
    "MOST_ATTEMPTS",
    "RESERVED",
    "ROUTING_FIELDS",
    "SCHEDULE_FIELDS",
    "Carried",
    "Entry",
    "added_ms",
    "decode",
    "due_ms",
    "encode",
    "expires_ms",
    "notes",
    "split_ready",
]
