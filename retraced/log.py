"""The worker's log: a line is an event name and fields, as text for people or JSON for machines.

Never a payload, never a password; control characters in any field are escaped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import orjson

Level = Literal["debug", "info", "warning", "error"]
_RANK: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}

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
        self._troubles: dict[str, str] = {}
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

    def once(self, topic: str, event: str, **fields: object) -> None:
        """A warning, unless this topic's last one said the same."""
        if self._troubles.get(topic) != event:
            self._troubles[topic] = event
            self.warning(event, **fields)

    def repeat(self, topic: str, every_s: float, event: str, **fields: object) -> None:
        """A warning, at most one in `every_s` seconds for each topic."""
        now = self._now()
        last = self._said.get(topic)
        if last is None or (now - last).total_seconds() >= every_s:
            self._said[topic] = now
            self.warning(event, **fields)

    def over(self, topic: str, event: str, **fields: object) -> None:
        """Says that a topic's trouble is over, if there was one."""
        if self._troubles and self._troubles.pop(topic, None) is not None:
            self.info(event, **fields)

    def _write(self, level: Level, event: str, fields: dict[str, object]) -> None:
        if _RANK[level] < self._rank:
            return
        line = _json_line if self._form == "json" else _text_line
        self._stream.write(line(self._now(), level, event, fields) + "\n")
        self._stream.flush()


def _json_line(now: datetime, level: str, event: str, fields: dict[str, object]) -> str:
    said: dict[str, Any] = {"time": now.isoformat(timespec="milliseconds")}
    said |= {"level": level, "event": event}
    said |= {name: value for name, value in fields.items() if value not in ("", None)}
    return orjson.dumps(said, default=str).decode()


def _text_line(now: datetime, level: str, event: str, fields: dict[str, object]) -> str:
    words = [
        f"{name}={_quoted(value)}" for name, value in fields.items() if value not in ("", None)
    ]
    return " ".join(
        [f"{now:%H:%M:%S}.{now.microsecond // 1000:03}", _SHOWN[level], event, *words]
    )


def _quoted(value: object) -> str:
    text = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in str(value).encode("utf-8", "backslashreplace").decode()
    )
    if text and not any(char in ' "=' for char in text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
