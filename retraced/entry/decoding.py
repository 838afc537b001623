"""What the fields of a stream entry mean; `decode` is on the fast path of every job."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from retraced.backoff import Backoff
from retraced.durations import (
    TEN_YEARS_MS,
    parse_duration_ms,
    parse_integer,
    parse_time_ms,
)
from retraced.errors import InvalidEntry, quoted

MOST_ATTEMPTS = 1000
LONGEST_TYPE_BYTES = 512
LONGEST_NAME_SHOWN = 60
TRACE_FIELDS = frozenset({b"traceparent", b"tracestate"})
SCHEDULE_FIELDS = frozenset({b"delay", b"run_at", b"expires"})
RESERVED = (
    frozenset({b"type", b"payload", b"max_attempts", b"backoff", b"timeout"})
    | SCHEDULE_FIELDS
    | TRACE_FIELDS
)
ROUTING_FIELDS = (b"key", b"dedup", b"priority")

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_TRACESTATE = re.compile(r"[\t\x20-\x7e]{1,4096}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(slots=True)
class Entry:
    """One job's entry, understood. Options are None when the entry doesn't have them.

    Not frozen, because frozen construction would cost every job a microsecond.
    """

    id: bytes
    type: str
    payload: bytes | None
    fields: dict[bytes, bytes]
    reserved: frozenset[bytes] = RESERVED
    duplicates: tuple[str, ...] = ()
    delay_ms: int | None = None
    run_at_ms: int | None = None
    expires_after_ms: int | None = None
    expires_at_ms: int | None = None
    max_attempts: int | None = None
    backoff: str | None = None
    timeout_ms: int | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def bare(self) -> bool:
        """Whether there is no `payload`: the body is then made of the fields."""
        return self.payload is None

    @property
    def routing(self) -> tuple[str, ...]:
        """Which fields ask for a routed group."""
        return tuple(name.decode() for name in ROUTING_FIELDS if name in self.fields)

    def body(self) -> bytes:
        """The payload; of a bare entry, its own fields as a JSON object of strings."""
        return orjson.dumps(self._own()) if self.payload is None else self.payload

    def headers(self) -> dict[str, str]:
        """The fields beside a payload; none for a bare entry, whose fields are its body."""
        return {} if self.payload is None else self._own()

    def _own(self) -> dict[str, str]:
        reserved = self.reserved
        return {
            name.decode(): value.decode()
            for name, value in self.fields.items()
            if name not in reserved
        }


def decode(
    job_id: bytes,
    fields: Sequence[bytes],
    *,
    stream: str,
    type_field: str | None = "type",
    max_payload: int,
) -> Entry:
    """Understands an entry's own fields (a flat list, without what ReTraced added).

    With a `type_field` other than "type" (None: the stream's name is the type) the stream speaks
    a language of its own: only that field, `payload` and the trace context keep their meaning.
    InvalidEntry names the first field that can't be understood. A `traceparent` that breaks the
    W3C form is ignored, as that standard asks.
    """
    if (
        len(fields) == 4
        and fields[0] == b"type"
        and fields[2] == b"payload"
        and type_field == "type"
    ):
        payload = fields[3]
        if len(payload) > max_payload:
            raise _too_large(len(payload), max_payload)
        named = {b"type": fields[1], b"payload": payload}
        return Entry(job_id, _type(fields[1], "type"), payload, named)
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    entry = Entry(job_id, stream, named.get(b"payload"), named)
    if len(named) * 2 != len(fields):
        entry.duplicates = _duplicates(fields[::2])
    if type_field is not None and (raw := named.get(type_field.encode())) is not None:
        entry.type = _type(raw, type_field)
    if type_field == "type":
        _read(entry, _READERS)
    else:
        own_type = frozenset() if type_field is None else frozenset({type_field.encode()})
        entry.reserved = TRACE_FIELDS | {b"payload"} | own_type
        _read(entry, _TRACE_READERS)
    _check_size(entry, max_payload)
    return entry


def _read(entry: Entry, readers: Mapping[bytes, Callable[[Entry, str], None]]) -> None:
    """Checks that everything but the payload is UTF-8, and reads the options."""
    for name, value in entry.fields.items():
        if name == b"payload":
            continue
        text = _utf8(name, value)
        reader = readers.get(name)
        if reader is not None:
            reader(entry, text)
    if entry.traceparent is None:
        entry.tracestate = None


def _utf8(name: bytes, value: bytes) -> str:
    try:
        name.decode()
    except UnicodeDecodeError:
        raise InvalidEntry(_shown_name(name), "the field's name isn't UTF-8; rename it") from None
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise InvalidEntry(
            _shown_name(name),
            f"{quoted(value)} isn't UTF-8 (at byte {error.start}); only `payload` may be any bytes",
        ) from None


def _type(raw: bytes, field: str) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise InvalidEntry(field, f"{quoted(raw)} isn't UTF-8; name the handler in UTF-8") from None
    if not raw:
        raise InvalidEntry(field, "is empty; leave it out, and the stream's name is the type")
    if len(raw) > LONGEST_TYPE_BYTES:
        raise InvalidEntry(field, f"{quoted(text)} is over {LONGEST_TYPE_BYTES} bytes; shorten it")
    if not text.isprintable() and _CONTROL.search(text):
        raise InvalidEntry(field, f"{quoted(text)} has a control character; take it out")
    return text


def _check_size(entry: Entry, max_payload: int) -> None:
    if entry.payload is not None:
        size = len(entry.payload)
    else:
        own = entry.fields.keys() - entry.reserved
        size = sum(len(name) + len(entry.fields[name]) for name in own)
    if size > max_payload:
        raise _too_large(size, max_payload)


def _too_large(size: int, max_payload: int) -> InvalidEntry:
    return InvalidEntry(
        "payload",
        f"{size:,} bytes are over the limit of {max_payload:,}; "
        "store it elsewhere and add its address, or raise --max-payload",
    )


def _read_delay(entry: Entry, text: str) -> None:
    entry.delay_ms = parse_duration_ms(text, field="delay")


def _read_run_at(entry: Entry, text: str) -> None:
    entry.run_at_ms = parse_time_ms(text, field="run_at")


def _read_expires(entry: Entry, text: str) -> None:
    """An integer beyond ten years of milliseconds can only be meant as Unix milliseconds."""
    number = parse_integer(text)
    if "-" in text or ":" in text or (number or 0) > TEN_YEARS_MS:
        entry.expires_at_ms = parse_time_ms(text, field="expires")
    else:
        entry.expires_after_ms = parse_duration_ms(text, field="expires")


def _read_max_attempts(entry: Entry, text: str) -> None:
    number = parse_integer(text)
    if number is None or not 1 <= number <= MOST_ATTEMPTS:
        raise InvalidEntry(
            "max_attempts", f"{quoted(text)} isn't a whole number from 1 to {MOST_ATTEMPTS}"
        )
    entry.max_attempts = number


def _read_backoff(entry: Entry, text: str) -> None:
    Backoff.parse(text)
    entry.backoff = text


def _read_timeout(entry: Entry, text: str) -> None:
    entry.timeout_ms = parse_duration_ms(text, field="timeout")
    if entry.timeout_ms == 0:
        raise InvalidEntry("timeout", f"{quoted(text)} is no time at all; leave it out for none")


def _read_traceparent(entry: Entry, text: str) -> None:
    entry.traceparent = text if _TRACEPARENT.fullmatch(text) else None


def _read_tracestate(entry: Entry, text: str) -> None:
    entry.tracestate = text if _TRACESTATE.fullmatch(text) else None


_TRACE_READERS: Mapping[bytes, Callable[[Entry, str], None]] = {
    b"traceparent": _read_traceparent,
    b"tracestate": _read_tracestate,
}
_READERS: Mapping[bytes, Callable[[Entry, str], None]] = {
    **_TRACE_READERS,
    b"delay": _read_delay,
    b"run_at": _read_run_at,
    b"expires": _read_expires,
    b"max_attempts": _read_max_attempts,
    b"backoff": _read_backoff,
    b"timeout": _read_timeout,
}


def _duplicates(names: Sequence[bytes]) -> tuple[str, ...]:
    seen: dict[bytes, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return tuple(_shown_name(name) for name, times in seen.items() if times > 1)


def _shown_name(name: bytes) -> str:
    text = name.decode("utf-8", "backslashreplace")
    plain = 0 < len(text) <= LONGEST_NAME_SHOWN and text.isprintable()
    return text if plain else quoted(name)
