"""Makes the fields of an entry for producers: nothing that a plain XADD couldn't have written."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from retraced.backoff import Backoff
from retraced.durations import duration_ms, parse_time_ms, spell_ms
from retraced.entry.decoding import MOST_ATTEMPTS, RESERVED, decode
from retraced.errors import InvalidEntry, UsageError, quoted

_NO_OPTIONS = (None,) * 8  # fields, delay ... headers, as `encode` gathers them


def encode(
    *,
    type: str | None = None,  # noqa: A002 - the protocol's word
    payload: object = None,
    fields: Mapping[str, str] | None = None,
    delay: timedelta | str | None = None,
    run_at: datetime | str | None = None,
    expires: timedelta | datetime | str | None = None,
    max_attempts: int | None = None,
    backoff: Backoff | str | None = None,
    timeout: timedelta | str | None = None,
    headers: Mapping[str, str] | None = None,
    traceparent: str | None = None,
    tracestate: str | None = None,
) -> list[bytes]:
    """The flat field list of one job, for XADD.

    `payload`: bytes and str go as they are, None is an empty JSON object, all else becomes JSON
    (NaN becomes null). `fields` instead of it makes a bare entry. UsageError names the field that
    can't be written; a bare number for a duration or time is a TypeError.
    """
    options = (fields, delay, run_at, expires, max_attempts, backoff, timeout, headers)
    if options == _NO_OPTIONS and type is not None and traceparent is None and tracestate is None:
        return [b"type", _checked_type(type), b"payload", _payload(payload)]
    flat: list[bytes] = []
    _put(flat, "type", type)
    flat += _content(payload, fields, headers)
    _put(flat, "delay", _duration(delay, "delay"))
    _put(flat, "run_at", None if run_at is None else _time(run_at, "run_at"))
    _put(flat, "expires", _expiry(expires))
    _put(flat, "max_attempts", _attempts(max_attempts))
    _put(flat, "backoff", None if backoff is None else str(backoff))
    _put(flat, "timeout", _duration(timeout, "timeout"))
    _put(flat, "traceparent", traceparent)
    _put(flat, "tracestate", tracestate)
    _check(flat)
    return flat


@lru_cache(maxsize=256)
def _checked_type(name: str) -> bytes:
    """The type as it is written; checked once, since a producer has few and adds many."""
    flat: list[bytes] = []
    _put(flat, "type", name)
    _check([*flat, b"payload", b""])
    return flat[1]


def _content(
    payload: object, fields: Mapping[str, str] | None, headers: Mapping[str, str] | None
) -> list[bytes]:
    """The body and what stands beside it: a payload with headers, or the fields of a bare entry."""
    if fields is not None and (payload is not None or headers is not None):
        raise UsageError("fields make a bare entry: give them, or a payload and headers, not both")
    flat: list[bytes] = []
    if fields is None:
        flat += b"payload", _payload(payload)
    for name, value in (headers or fields or {}).items():
        if name.encode("utf-8", "replace") in RESERVED:
            raise UsageError(
                f"{quoted(name)} has a meaning of its own: use the option of that name"
            )
        if not isinstance(value, str):
            raise UsageError(f"{quoted(name)} is {quoted(repr(value))}: give a string")
        _put(flat, name, value)
    if not flat:
        raise UsageError("an entry needs at least one field: give fields or a payload")
    return flat


def _payload(payload: object) -> bytes:
    if isinstance(payload, bytes):
        return payload
    if payload is None:
        return b"{}"
    if isinstance(payload, str):
        return _utf8("payload", payload)
    try:
        return orjson.dumps(payload, default=_jsonable)
    except TypeError as error:
        raise UsageError(
            f"payload can't be written as JSON ({error}); give plain data, or encode it to bytes"
        ) from None


def _jsonable(value: Any) -> object:
    """What handlers may annotate and JSON doesn't know: Decimal, pydantic and msgspec models."""
    if isinstance(value, Decimal):
        return str(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "__struct_fields__"):
        return {name: getattr(value, name) for name in value.__struct_fields__}
    raise TypeError(f"no JSON for {type(value).__name__}")


def _duration(value: timedelta | str | None, name: str) -> str | None:
    if value is None:
        return None
    try:
        return spell_ms(duration_ms(value, name=name))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _time(value: datetime | str, name: str) -> str:
    if isinstance(value, str):
        return _understood_time(value, name)
    if not isinstance(value, datetime):
        raise TypeError(
            f"{name} is {quoted(repr(value))}, a {type(value).__name__}: give a datetime with a "
            "time zone, or a string such as 2026-11-24T08:00:00Z"
        )
    if value.utcoffset() is None:
        raise UsageError(
            f"{name} has no time zone: use datetime(..., tzinfo=UTC), or .astimezone()"
        )
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _understood_time(text: str, name: str) -> str:
    try:
        parse_time_ms(text, field=name)
    except InvalidEntry as error:
        raise UsageError(str(error)) from None
    return text


def _expiry(value: timedelta | datetime | str | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime) or (isinstance(value, str) and ("-" in value or ":" in value)):
        return _time(value, "expires")
    return _duration(value, "expires")


def _attempts(value: int | None) -> str | None:
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= MOST_ATTEMPTS:
        raise UsageError(
            f"max_attempts is {quoted(repr(value))}: give a whole number from 1 to {MOST_ATTEMPTS}"
        )
    return str(value)


def _put(flat: list[bytes], name: str, value: str | None) -> None:
    if value is not None:
        flat += _utf8(name, name), _utf8(name, value)


def _utf8(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{quoted(name)} isn't valid text: {error.reason}") from None


def _check(flat: list[bytes]) -> None:
    """What we write, we can read: nothing that would be buried as invalid leaves a producer."""
    try:
        entry = decode(b"0-0", flat, stream="", max_payload=sys.maxsize)
    except InvalidEntry as error:
        raise UsageError(str(error)) from None
    if entry.traceparent is None and b"traceparent" in entry.fields:
        found = quoted(entry.fields[b"traceparent"])
        raise UsageError(f"traceparent: {found} isn't of the W3C form 00-<trace>-<span>-<flags>")
