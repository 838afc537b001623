"""Option types that several commands take: durations, sizes, backoffs."""

from __future__ import annotations

from typing import Any

import click

from retraced.backoff import Backoff
from retraced.config import parse_size
from retraced.durations import parse_duration_ms
from retraced.errors import InvalidEntry


class Duration(click.ParamType[int]):
    """A duration with a unit, in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if str(value).isdigit():
            self.fail(f"{value!r} has no unit; write {value}ms or {value}s", param, ctx)
        try:
            return parse_duration_ms(value, field=param.name if param and param.name else "")
        except InvalidEntry as error:
            self.fail(error.why, param, ctx)


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
