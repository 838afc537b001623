"""What producers write is what any XADD could have written, and always understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from retraced.backoff import Backoff
from retraced.entry import decode, encode
from retraced.errors import UsageError

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@dataclass
class Mail:
    to: str
    price: Decimal


def test_a_type_and_a_payload() -> None:
    assert encode(type="send", payload={"to": "a"}) == [b"type", b"send", b"payload", b'{"to":"a"}']


def test_every_option_in_its_readable_form() -> None:
    assert encode(
        type="send",
        payload=b"\xff",
        delay=timedelta(minutes=10),
        run_at=datetime(2026, 11, 24, 9, 0, 0, 500_000, tzinfo=timezone(timedelta(hours=1))),
        expires="1d",
        max_attempts=7,
        backoff=Backoff.parse("exponential:1000..300000"),
        timeout="90s",
        headers={"tenant": "7", "key": "k"},
        traceparent=TRACE,
        tracestate="a=1",
    ) == [
        *(b"type", b"send", b"payload", b"\xff", b"tenant", b"7", b"key", b"k"),
        *(b"delay", b"10m", b"run_at", b"2026-11-24T08:00:00.500000Z", b"expires", b"1d"),
        *(b"max_attempts", b"7", b"backoff", b"exponential:1s..5m", b"timeout", b"90s"),
        *(b"traceparent", TRACE.encode(), b"tracestate", b"a=1"),
    ]


@pytest.mark.parametrize(
    ("payload", "written"),
    [
        (None, b"{}"),
        (b"\x00raw", b"\x00raw"),
        ("as it is", b"as it is"),
        ([1, "\u00e9"], '[1,"\u00e9"]'.encode()),
        (0, b"0"),
        (Mail("a", Decimal("1.10")), b'{"to":"a","price":"1.10"}'),
    ],
)
def test_payloads(payload: object, written: bytes) -> None:
    assert encode(payload=payload) == [b"payload", written]


def test_fields_make_a_bare_entry() -> None:
    flat = encode(fields={"to": "ada", "@x": ""}, delay="5m")
    assert flat == [b"to", b"ada", b"@x", b"", b"delay", b"5m"]
    assert decode(b"1-0", flat, stream="s", max_payload=99).body() == b'{"to":"ada","@x":""}'


@pytest.mark.parametrize(
    "expires", [timedelta(hours=1), "1h", datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"]
)
def test_expires_is_a_duration_or_a_time(expires: Any) -> None:
    entry = decode(b"1-0", encode(expires=expires), stream="s", max_payload=99)
    assert (entry.expires_after_ms, entry.expires_at_ms) in {
        (3_600_000, None),
        (None, 1_767_225_600_000),
    }


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: encode(type=""), "type"),
        (lambda: encode(type="a\nb"), "type"),
        (lambda: encode(type="\ud800"), "type"),
        (lambda: encode(delay="soon"), "delay"),
        (lambda: encode(delay="10"), "delay"),
        (lambda: encode(delay=timedelta(-1)), "delay"),
        (lambda: encode(timeout="0s"), "timeout"),
        (lambda: encode(run_at="tomorrow"), "run_at"),
        (lambda: encode(run_at=datetime(2026, 1, 1)), "run_at"),  # noqa: DTZ001
        (lambda: encode(expires="2026-01-01"), "expires"),
        (lambda: encode(max_attempts=0), "max_attempts"),
        (lambda: encode(max_attempts=True), "max_attempts"),
        (lambda: encode(max_attempts=1001), "max_attempts"),
        (lambda: encode(backoff="sometimes"), "backoff"),
        (lambda: encode(headers={"delay": "5m"}), "'delay' has a meaning of its own"),
        (lambda: encode(fields={"payload": "{}"}), "'payload' has a meaning of its own"),
        (lambda: encode(headers={"n": 7}), "'n' is '7': give a string"),  # type: ignore[dict-item]
        (lambda: encode(headers={"n": "\udfff"}), "'n' isn't valid text"),
        (lambda: encode(payload="\ud800"), "payload"),
        (lambda: encode(payload=object()), "payload can't be written as JSON"),
        (lambda: encode(payload={1, 2}), "payload can't be written as JSON"),
        (lambda: encode(payload=2**64), "payload can't be written as JSON"),
        (lambda: encode(payload=b"", fields={"a": "b"}), "not both"),
        (lambda: encode(fields={}), "at least one field"),
        (lambda: encode(traceparent="x"), "traceparent"),
    ],
)
def test_what_would_not_be_understood_is_refused_and_named(
    wrong: Callable[[], object], named: str
) -> None:
    with pytest.raises(UsageError) as raised:
        wrong()
    assert named in str(raised.value)


@pytest.mark.parametrize("option", ["delay", "timeout", "expires", "run_at"])
@pytest.mark.parametrize("number", [5, 0.5])
def test_a_bare_number_is_a_type_error_that_names_the_option(option: str, number: float) -> None:
    with pytest.raises(TypeError, match=f"{option} is .*give a"):
        encode(**{option: number})  # type: ignore[arg-type]
