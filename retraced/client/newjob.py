"""One job as a program hands it over, and the entry that it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypedDict

from retraced.entry import encode

Duration = timedelta | str


class JobOptions(TypedDict, total=False):
    """What may be said of a job when it is added.

    Durations are timedeltas or strings with a unit ("30s"); a time is a datetime with a time zone
    or RFC 3339 text. `fields` instead of a payload makes a bare entry.
    """

    fields: Mapping[str, str] | None
    delay: Duration | None
    run_at: datetime | str | None
    expires: Duration | datetime | None
    max_attempts: int | None
    backoff: str | None
    timeout: Duration | None
    headers: Mapping[str, str] | None
    traceparent: str | None
    tracestate: str | None


@dataclass(slots=True)
class NewJob:
    """One job for `add_many`; the fields are those of `add`.

    Not frozen, because frozen construction would cost every job a microsecond.
    """

    type: str | None = None
    payload: Any = None
    fields: Mapping[str, str] | None = field(default=None, kw_only=True)
    delay: Duration | None = field(default=None, kw_only=True)
    run_at: datetime | str | None = field(default=None, kw_only=True)
    expires: Duration | datetime | None = field(default=None, kw_only=True)
    max_attempts: int | None = field(default=None, kw_only=True)
    backoff: str | None = field(default=None, kw_only=True)
    timeout: Duration | None = field(default=None, kw_only=True)
    headers: Mapping[str, str] | None = field(default=None, kw_only=True)
    traceparent: str | None = field(default=None, kw_only=True)
    tracestate: str | None = field(default=None, kw_only=True)

    def encoded(self) -> list[bytes]:
        """The entry's fields, flat. Raises UsageError naming the field that can't be used."""
        return encode(
            type=self.type,
            payload=self.payload,
            fields=self.fields,
            delay=self.delay,
            run_at=self.run_at,
            expires=self.expires,
            max_attempts=self.max_attempts,
            backoff=self.backoff,
            timeout=self.timeout,
            headers=self.headers,
            traceparent=self.traceparent,
            tracestate=self.tracestate,
        )
