"""What a delivery came to: the values that handlers and the worker answer with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler failed; `retry_after_ms` is its own wish for the next delay."""

    error: str
    traceback: str = ""
    retry_after_ms: int | None = None
    kind: str = "failed"


@dataclass(frozen=True, slots=True)
class Rejected:
    """The handler said that no attempt can succeed."""

    reason: str
    error: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The attempt outlived its timeout; `abandoned`: its thread still runs."""

    timeout_ms: int
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The handler asked to run again later."""

    for_ms: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A person cancelled the job; `abandoned`: its thread still runs."""

    by: str = ""
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Unfinished at shutdown, or prefetched and not started in time."""


@dataclass(frozen=True, slots=True)
class Crashed:
    """Its child process died before an outcome; `how`: exit code or signal."""

    how: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """A field, or a handler's parameter, that can't be understood."""

    field: str
    why: str


@dataclass(frozen=True, slots=True)
class Expired:
    """Its first attempt hadn't begun by `expired_ms` (Redis time)."""

    expired_ms: int


@dataclass(frozen=True, slots=True)
class Unhandled:
    """This worker has no handler for the type."""

    type: str


@dataclass(frozen=True, slots=True)
class Postponed:
    """The entry's own `delay` or `run_at` says not before `due_ms` (Redis time)."""

    due_ms: int


@dataclass(frozen=True, slots=True)
class Unstarted:
    """The child process for a suspect couldn't be started, which is no fault of the job's."""

    why: str


Outcome = (
    Succeeded
    | Failed
    | Rejected
    | TimedOut
    | Snoozed
    | Cancelled
    | Interrupted
    | Crashed
    | Invalid
    | Expired
    | Unhandled
    | Postponed
    | Unstarted
)
