"""Option types that several commands take: durations, sizes, backoffs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import click

from retraced.backoff import Backoff
from retraced.config import parse_size
from retraced.durations import DURATION_REMEDY, duration_ms, parse_time_ms
from retraced.errors import InvalidEntry, UsageError
from retraced.filter import JOB_ID
from retraced.retention import Retention

if TYPE_CHECKING:
    from retraced.worker.brake import FailureLimit

NOTHING = "none"
_DIGITS_OF_A_TIME = 12  # fewer are no Unix ms of our days


class Duration(click.ParamType[int]):
    """A duration with a unit, in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return _duration_ms(self, value, param, ctx)


class DurationText(click.ParamType[str]):
    """A duration with a unit, or with `or_time` a time, kept as it was written.

    On the wire a bare number is milliseconds; a person who writes one may mean seconds.
    """

    name = "duration"

    def __init__(self, *, or_time: bool = False) -> None:
        self._or_time = or_time

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not (self._or_time and ("-" in text or ":" in text)):  # a time is checked as a field
            _duration_ms(self, text, param, ctx)
        return text


class Size(click.ParamType[int]):
    """A size such as 1MiB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        return value if isinstance(value, int) else parse_size(value)


class BackoffSpec(click.ParamType[Backoff]):
    """A backoff such as exponential:1s..5m."""

    name = "spec"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Backoff:
        if isinstance(value, Backoff):
            return value
        try:
            return Backoff.parse(value, field="backoff")
        except InvalidEntry as error:
            self.fail(error.why, param, ctx)


@dataclass(frozen=True, slots=True)
class Point:
    """A point in time: so long ago, or a time (Unix ms); with `seq`, a job's id."""

    ago_ms: int | None = None
    unix_ms: int = 0
    seq: int | None = None

    def at_ms(self, now_ms: int) -> int:
        """When that is, in Unix ms."""
        return self.unix_ms if self.ago_ms is None else max(now_ms - self.ago_ms, 0)

    def first_id(self, now_ms: int) -> bytes:
        """The first id at or after it."""
        return b"%d-%d" % (self.at_ms(now_ms), self.seq or 0)

    def last_id(self, now_ms: int) -> bytes:
        """The last id at or before it; as Redis has it, a bare time means all of its ids."""
        at_ms = self.at_ms(now_ms)
        return b"%d" % at_ms if self.seq is None else b"%d-%d" % (at_ms, self.seq)


class Moment(click.ParamType[Point]):
    """A point in time: a duration (so long ago), or a time such as 2026-11-24T08:00:00Z.

    `or_id`: or the id of a job, such as 1795501170340-0.
    """

    name = "time"

    def __init__(self, *, or_id: bool = False) -> None:
        self._or_id = or_id

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Point:
        if isinstance(value, Point):
            return value
        text = str(value)
        if text.isdigit() and len(text) < _DIGITS_OF_A_TIME:
            self.fail(f"{text!r} has no unit; write {text}s for so long ago", param, ctx)
        if self._or_id and (match := JOB_ID.fullmatch(text)) and match[2]:
            return Point(unix_ms=int(match[1]), seq=int(match[2]))
        try:
            return Point(ago_ms=duration_ms(text, name=""))
        except ValueError:
            pass
        try:
            return Point(unix_ms=parse_time_ms(text, field=""))
        except InvalidEntry as error:
            self.fail(f"{error.why}; or say how long ago, as 1h", param, ctx)


class RetentionSpec(click.ParamType["Retention | str"]):
    """What a stream retains: 7d, 100000 or all; with `or_none`, `none` stays that word."""

    name = "retention"

    def __init__(self, *, or_none: bool = False) -> None:
        self._or_none = or_none

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Retention | str:
        if isinstance(value, Retention):
            return value
        if str(value).lower() == NOTHING:
            return NOTHING if self._or_none else self._ends_nothing(param, ctx)
        try:
            return Retention.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def _ends_nothing(self, param: click.Parameter | None, ctx: click.Context | None) -> NoReturn:
        self.fail(
            f"{NOTHING!r} is for `retraced groups set`, which ends what a stream retains; here "
            "leave the option out",
            param,
            ctx,
        )


class Share(click.ParamType["FailureLimit"]):
    """How many of a worker's last attempts: 90%/100."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> FailureLimit:
        from retraced.worker.brake import FailureLimit

        if isinstance(value, FailureLimit):
            return value
        try:
            return FailureLimit.parse(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)


class StartId(click.ParamType[bytes]):
    """Where a new group begins, as XGROUP CREATE takes it: it gets what comes after this id."""

    name = "start"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        if isinstance(value, bytes):
            return value
        text = str(value)
        if text in ("start", "now"):
            return b"0" if text == "start" else b"$"
        if JOB_ID.fullmatch(text):
            return text.encode()
        try:
            return b"%d-18446744073709551615" % (parse_time_ms(text, field="--from") - 1)
        except InvalidEntry as error:
            self.fail(f"{text!r}: start, now, an entry's ID or a time: {error.why}", param, ctx)


def _duration_ms(
    kind: click.ParamType[Any],
    value: object,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> int:
    text = str(value)
    if text.isdigit():
        kind.fail(f"{text!r} has no unit; write {text}s or {text}ms", param, ctx)
    try:
        return duration_ms(text, name="")
    except ValueError:
        kind.fail(f"{text!r} isn't a duration; {DURATION_REMEDY}", param, ctx)
