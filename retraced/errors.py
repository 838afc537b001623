"""Every error ReTraced raises, and the exceptions by which a handler steers its outcome.

RetracedError                   exit code 1
├── UsageError                  2   the caller asked for something that can't be
│   ├── InvalidName                 a stream or group name that can't be used
│   └── ConfigError                 a setting, flag or option
├── NotFound                    3
├── Refused                     6   it would lose something: needs a person's yes
├── ProtocolMismatch            2   the group's data was written by a newer protocol
├── InvalidEntry                1   a field of a job's entry that can't be understood
└── StoreError                  1   Redis answered with an error, or not at all
    ├── Unavailable             4   can't be reached now: try again later
    ├── Denied                  4   password, ACL or TLS: trying again won't help
    ├── OutOfMemory
    ├── GroupMissing
    ├── WrongType
    └── ScriptFailed

Steer                           raised by handlers; not errors
├── Retry                       try again, after a time of the handler's choice
├── Reject                      bury now
└── Snooze                      run again later, no attempt charged
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

SHOWN_CHARACTERS = 60


class RetracedError(Exception):
    """Base of all errors; `exit_code` is what a command ends with."""

    exit_code: ClassVar[int] = 1


class UsageError(RetracedError):
    """The caller asked for something that can't be; the text names the remedy."""

    exit_code = 2


class InvalidName(UsageError):
    """A stream or group name that can't be used."""


class ConfigError(UsageError):
    """A setting, flag or option that can't be used."""


class NotFound(RetracedError):
    """The stream, group or job isn't there."""

    exit_code = 3


class Refused(RetracedError):
    """Not done, because it would lose something; a person must say yes."""

    exit_code = 6


class ProtocolMismatch(RetracedError):
    """The group's data speaks a newer protocol than this release knows."""

    exit_code = 2


class InvalidEntry(RetracedError):
    """A `field` of a job's entry that can't be understood, and `why`; the job is buried."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(field, why)
        self.field = field
        self.why = why

    def __str__(self) -> str:
        return f"{self.field}: {self.why}"


class StoreError(RetracedError):
    """Redis answered with an error, or not at all."""


class Unavailable(StoreError):
    """Redis can't be reached or isn't ready; later it may be."""

    exit_code = 4


class Denied(StoreError):
    """Wrong password, missing right or TLS failure; trying again won't help."""

    exit_code = 4


class OutOfMemory(StoreError):
    """Redis is at maxmemory and refused a write."""


class GroupMissing(StoreError):
    """The consumer group or its stream is gone."""


class WrongType(StoreError):
    """A key that ReTraced needs holds another type of value."""


class ScriptFailed(StoreError):
    """A script ended with an error of its own."""


class Steer(Exception):
    """Base of what a handler raises to choose its outcome."""


class Retry(Steer):
    """Fail this attempt and try again, `after` this long instead of the backoff's delay.

    `after` is a timedelta or a string with a unit ("30s"); `after_ms` holds it afterwards.
    """

    def __init__(self, after: timedelta | str | None = None, reason: str = "") -> None:
        super().__init__(reason)
        self.after_ms = None if after is None else _duration_ms(after, name="Retry(after=...)")
        self.reason = reason


class Reject(Steer):
    """Bury the job now: no attempt can succeed, for this `reason`."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Snooze(Steer):
    """Run the job again in `for_` (a timedelta or a string with a unit), no attempt charged."""

    def __init__(self, for_: timedelta | str) -> None:
        super().__init__(for_)
        self.for_ms = _duration_ms(for_, name="Snooze(...)")


def quoted(found: str | bytes, limit: int = SHOWN_CHARACTERS) -> str:
    """What was found, as it may stand in a message: escaped, on one line, cut at `limit`."""
    kind = "bytes" if isinstance(found, bytes) else "characters"
    head = found[:limit]
    text = head.decode("utf-8", "backslashreplace") if isinstance(head, bytes) else head
    shown = ascii(text).replace("\\\\", "\\")
    return shown if len(found) <= limit else f"{shown}... ({len(found):,} {kind})"


def _duration_ms(value: timedelta | str, *, name: str) -> int:
    # At the top it would be a cycle: durations raises InvalidEntry.
    from retraced.durations import duration_ms  # noqa: PLC0415

    return duration_ms(value, name=name)
