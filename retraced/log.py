"""The worker's log: a line is an event name and fields, as text for people or JSON for machines.

Never a payload, never a password; control characters in any field are escaped. On a terminal a
long line goes on below itself, indented, and no word is broken.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any, Literal, TextIO

import orjson

Level = Literal["debug", "info", "warning", "error"]
_RANK: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}

_COMMAND = re.compile(r'(?<=: )retraced [^"]+')  # stays on one line, to be copied
_NO_BREAK = "\xa0"  # not printable, so no field has it
_INDENT = " " * 13
_SHOWN = {"debug": "DEBUG", "info": "INFO ", "warning": "WARN ", "error": "ERROR"}


class Log:
    """Writes lines to `stream`. `once` and `over` report a lasting trouble once, and its end."""

    def __init__(
        self,
        *,
        form: Literal["text", "json"] = "text",
        level: Level = "info",
        stream: TextIO | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._form = form
        self._rank = _RANK[level]
        self._stream = stream or sys.stderr
        self._now = now
        self._troubles: dict[str, _Trouble] = {}
        self._said: dict[str, datetime] = {}
        self.verbose = self._rank <= _RANK["debug"]

    def debug(self, event: str, **fields: object) -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._write("error", event, fields)

    def once(self, topic: str, event: str, *, part: str = "", **fields: object) -> None:
        """A warning, unless this topic's last one said the same. Several parts may share it."""
        trouble = self._troubles.get(topic)
        if trouble is None or trouble.event != event:
            trouble = self._troubles[topic] = _Trouble(event)
            self.warning(event, **fields)
        trouble.parts.add(part)

    def repeat(self, topic: str, every_s: float, event: str, **fields: object) -> None:
        """A warning, at most one in `every_s` seconds for each topic."""
        now = self._now()
        last = self._said.get(topic)
        if last is None or (now - last).total_seconds() >= every_s:
            self._said[topic] = now
            self.warning(event, **fields)

    def over(self, topic: str, event: str, *, part: str = "", **fields: object) -> None:
        """Says that a topic's trouble is over, once it is for every part that had it."""
        trouble = self._troubles.get(topic) if self._troubles else None
        if trouble is None or part not in trouble.parts:
            return
        trouble.parts.discard(part)
        if not trouble.parts:
            self._troubles.pop(topic, None)
            self.info(event, **fields)

    def _write(self, level: Level, event: str, fields: dict[str, object]) -> None:
        if _RANK[level] < self._rank:
            return
        make = _json_line if self._form == "json" else _text_line
        # Nobody may be reading any more; the jobs go on.
        with suppress(OSError, ValueError):
            line = make(self._now(), level, event, fields)
            if self._form == "text" and self._stream.isatty():
                line = _wrapped(line, get_terminal_size().columns)
            self._stream.write(line + "\n")
            self._stream.flush()


@dataclass(slots=True)
class _Trouble:
    """What a topic's warning said, and who still has that trouble."""

    event: str
    parts: set[str] = field(default_factory=set)


def _json_line(now: datetime, level: str, event: str, fields: dict[str, object]) -> str:
    said: dict[str, Any] = {"time": now.isoformat(timespec="milliseconds")}
    said |= {"level": level, "event": event}
    said |= {name: value for name, value in fields.items() if value not in ("", None)}
    try:
        return orjson.dumps(said, default=str).decode()
    except TypeError:  # half a character, or a number that JSON readers lose
        return orjson.dumps({name: _printable(value) for name, value in said.items()}).decode()


def _printable(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()


def _text_line(now: datetime, level: str, event: str, fields: dict[str, object]) -> str:
    words = [
        f"{name}={_quoted(value)}" for name, value in fields.items() if value not in ("", None)
    ]
    return " ".join([f"{now:%H:%M:%S}.{now.microsecond // 1000:03}", _SHOWN[level], event, *words])


def _wrapped(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    whole = _COMMAND.sub(lambda found: found[0].replace(" ", _NO_BREAK), line)
    lines = wrap(
        whole, width, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines).replace(_NO_BREAK, " ")


def _quoted(value: object) -> str:
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in _printable(value)
    )
    if text and not any(char in ' "=' for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
