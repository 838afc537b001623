"""Jobs as JSON lines: read, checked and added in order, chunk by chunk."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from retraced.cli import exportline
from retraced.cli.words import plural
from retraced.client.adding import CHUNK_BYTES, CHUNK_JOBS, NotAllAdded
from retraced.client.asynchronous import append
from retraced.client.newjob import NewJob
from retraced.entry import RESERVED
from retraced.errors import RetracedError, UsageError
from retraced.store.connection import Link

STANDARD_INPUT = "standard input"
_OPTIONS = frozenset(name.decode() for name in RESERVED) - {"payload"}
_ENVELOPE = _OPTIONS | {"payload", "headers"}


class BadLine(RetracedError):
    """A line that can't be a job; the text says which, why, and what has been added."""


@dataclass(slots=True)
class _Chunk:
    """Entries that go out together, each with the number of its line."""

    entries: list[list[bytes]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    size: int = 0

    def put(self, number: int, entry: list[bytes]) -> None:
        self.entries.append(entry)
        self.numbers.append(number)
        self.size += sum(map(len, entry))

    @property
    def full(self) -> bool:
        return len(self.entries) >= CHUNK_JOBS or self.size >= CHUNK_BYTES


class Lines:
    """A file of JSON lines on its way into a stream; `added` counts the jobs known to be in it."""

    def __init__(self, file: BinaryIO, *, name: str) -> None:
        self._file = file
        self.name = name
        self.added = 0

    async def add_to(
        self, link: Link, stream: str, report: Callable[[Sequence[str]], None]
    ) -> None:
        """Adds all jobs; `report` gets the ids of each chunk once they are known.

        Raises BadLine at a line that can't be used, after all before it were added; StoreError
        at a failure of Redis, saying which lines are in doubt.
        """
        chunk = _Chunk()
        for number, line in enumerate(self._file, start=1):
            if not line.strip():
                continue
            try:
                chunk.put(number, entry_of_line(line))
            except (UsageError, TypeError) as error:
                await self._send(link, stream, chunk, report)
                raise self._refused(number, stream, error) from None
            if chunk.full:
                await self._send(link, stream, chunk, report)
                chunk = _Chunk()
        await self._send(link, stream, chunk, report)

    async def _send(
        self, link: Link, stream: str, chunk: _Chunk, report: Callable[[Sequence[str]], None]
    ) -> None:
        if not chunk.entries:
            return
        try:
            ids: Sequence[str] = await append(link, stream, chunk.entries)
        except NotAllAdded as error:
            self.added += len(error.added)
            report(error.added)
            raise type(error.cause)(self._failed(error, chunk)) from error
        self.added += len(ids)
        report(ids)

    def _refused(self, number: int, stream: str, error: Exception) -> BadLine:
        file = "FILE" if self.name == STANDARD_INPUT else self.name
        return BadLine(
            f"line {number:,} of {self.name} can't be used: {error}. {self._so_far()}; "
            f"nothing from line {number:,} on was. Mend it and add the rest: "
            f"tail -n +{number} {shlex.quote(file)} | "
            f"retraced add {shlex.quote(stream)} --ndjson -"
        )

    def _failed(self, error: NotAllAdded, chunk: _Chunk) -> str:
        told = f"{error.cause}. {self._so_far()}"
        if error.unsure:
            first, last = chunk.numbers[error.unsure[0]], chunk.numbers[error.unsure[-1]]
            told += f"; lines {first:,} to {last:,} may or may not have been (no answer came)"
        refused = [
            number
            for place, number in enumerate(chunk.numbers)
            if error.ids[place] is None and place not in error.unsure
        ]
        if refused:
            told += f"; {len(refused):,} lines from line {refused[0]:,} on were refused or not sent"
        return told + f". Nothing after line {chunk.numbers[-1]:,} was sent"

    def _so_far(self) -> str:
        if not self.added:
            return "No job is known to be added"
        return f"{plural(self.added, 'job')} known to be added (the ids are printed)"


def entry_of_line(line: bytes) -> list[bytes]:
    """The flat entry of one line. Raises UsageError, or TypeError for a duration without a unit.

    With `payload`, or with nothing but options, the object says all about a job; else its members
    that aren't options are the payload. A line of `dlq export` or `jobs export` is that job.
    """
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UsageError(f"not JSON ({error.msg}, at column {error.colno})") from None
    if not isinstance(said, dict):
        raise UsageError(f"a JSON {_kind(said)}, not an object")
    if exportline.is_export(said):
        return exportline.entry_of(said)
    _check_strings(said)
    if "payload" not in said:
        rest = {name: value for name, value in said.items() if name not in _OPTIONS}
        said = {name: value for name, value in said.items() if name in _OPTIONS}
        return NewJob(**said, payload=rest).encoded()
    unknown = sorted(said.keys() - _ENVELOPE)
    if unknown:
        raise UsageError(
            f"{unknown[0]!r} stands beside payload: put it into payload, or into headers"
        )
    if said["payload"] is None:  # null is a body; None would mean that there is none
        said["payload"] = b"null"
    return NewJob(**said).encoded()


def _check_strings(said: dict[str, object]) -> None:
    for name in sorted(_OPTIONS & said.keys() - {"max_attempts"}):
        if not isinstance(said[name], str):
            raise UsageError(f'{name} is a {_kind(said[name])}: write a string, such as "30s"')
    headers = said.get("headers")
    if "payload" in said and headers is not None and not isinstance(headers, dict):
        raise UsageError(f"headers is a {_kind(headers)}: write an object of strings")


@contextmanager
def opened(source: str) -> Iterator[BinaryIO]:
    """The file, or standard input for `-`. Raises UsageError if it can't be opened."""
    if source == "-":
        yield sys.stdin.buffer
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(source).open("rb"))
        except OSError as error:
            raise UsageError(f"{source} can't be read: {error.strerror}") from None
        yield file


def _kind(value: object) -> str:
    match value:
        case list():
            return "array"
        case dict():
            return "object"
        case str():
            return "string"
        case None:
            return "null"
        case bool():
            return "boolean"
        case _:
            return "number"
