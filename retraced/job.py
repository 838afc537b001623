"""What a handler sees of its job, and the counts that travel with every job.

Built by the worker for each run, so construction is cheap and the rest is worked out when asked.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from retraced.entry import Entry, added_ms
from retraced.errors import InvalidEntry

_UNSET: Any = object()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Counts(NamedTuple):
    """`attempt`: charged so far; `deliveries`: so far, with this one; `lost`: takeovers since the
    last outcome; `crashes`: witnessed deaths of its process."""

    attempt: int = 0
    deliveries: int = 1
    lost: int = 0
    crashes: int = 0


class Job:
    """One run of one job.

    `id` is what XADD returned. `attempt` counts this run, from 1. `fence` rises with every
    delivery of the job: a database that keeps the highest can refuse a slow former owner.
    `cancelled` is for plain functions, which nobody can stop: look at it between two steps.
    """

    __slots__ = (
        "_body",
        "_cancelled",
        "_entry",
        "_now_ms",
        "_payload",
        "attempt",
        "fence",
        "group",
        "id",
        "max_attempts",
        "stream",
        "type",
    )

    def __init__(
        self,
        entry: Entry,
        *,
        attempt: int,
        fence: int,
        stream: str,
        group: str,
        max_attempts: int,
        now_ms: int | None = None,
    ) -> None:
        self._entry = entry
        self._body: bytes | None = entry.payload
        self._payload = _UNSET
        self._cancelled = False
        self._now_ms = now_ms
        self.id = entry.id.decode()
        self.type = entry.type
        self.stream = stream
        self.group = group
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.fence = fence

    @property
    def cancelled(self) -> bool:
        """Whether this run is to end; true from the moment its worker knows, and safe in threads.

        The job was cancelled, or its time is up, its lease lost, or its worker stops. A plain
        function that returns then wastes no more work; one that goes on keeps its slot, and what
        it returns counts for nothing. An async handler gets CancelledError where it waits.
        """
        return self._cancelled

    def tell_cancelled(self) -> None:
        """For the worker, which says so when this run is to end. By itself it ends nothing."""
        self._cancelled = True

    @property
    def deliveries(self) -> int:
        """How often the job was handed out, this time included."""
        return self.fence

    @property
    def bare(self) -> bool:
        """Whether the entry has no `payload`, so that the body is made of its fields."""
        return self._entry.payload is None

    @property
    def body(self) -> bytes:
        """The payload as it was added; of a bare entry, its fields as a JSON object."""
        if self._body is None:
            self._body = self._entry.body()
        return self._body

    @property
    def payload(self) -> Any:
        """The body decoded from JSON; InvalidEntry when it isn't JSON."""
        if self._payload is _UNSET:
            try:
                self._payload = orjson.loads(self.body)
            except orjson.JSONDecodeError as error:
                raise InvalidEntry(
                    "payload",
                    f"isn't JSON ({error}); take the raw bytes from job.body, or add it as JSON",
                ) from None
        return self._payload

    @property
    def headers(self) -> dict[str, str]:
        """The other fields of an entry that has a payload."""
        return self._entry.headers()

    @property
    def traceparent(self) -> str | None:
        """W3C trace context, when the producer gave a valid one."""
        return self._entry.traceparent

    @property
    def tracestate(self) -> str | None:
        """W3C trace state that goes with `traceparent`."""
        return self._entry.tracestate

    @property
    def added_at(self) -> datetime | None:
        """When the job was added (UTC), or None when its id isn't a clock time."""
        added = added_ms(self._entry.id, self._now_ms)
        try:
            return None if added is None else _EPOCH + timedelta(milliseconds=added)
        except OverflowError:
            return None

    def __repr__(self) -> str:
        return (
            f"<Job {self.id} of {self.stream}/{self.group}: {self.type}, "
            f"attempt {self.attempt} of {self.max_attempts}>"
        )
