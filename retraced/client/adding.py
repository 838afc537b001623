"""The XADDs of producers without their I/O: chunks, answers, and what is known after a failure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from retraced.errors import Denied, StoreError
from retraced.keys import stream_bytes

CHUNK_JOBS = 500
CHUNK_BYTES = 1024 * 1024


class NotAllAdded(StoreError):
    """Adding many stopped at a failure, `cause`. It says what is known of each job handed over.

    `ids[n]` is the id of job n, None if it isn't known to be added; `unsure` are the positions
    whose XADD was sent and never answered: they may or may not have been added.
    """

    def __init__(
        self, stream: str, cause: StoreError, ids: Sequence[str | None], unsure: range
    ) -> None:
        self.cause = cause
        self.ids = tuple(ids)
        self.unsure = unsure
        super().__init__(self._told(stream))

    @property
    def added(self) -> tuple[str, ...]:
        """The ids that are known to be added, in order."""
        return tuple(job for job in self.ids if job is not None)

    def _told(self, stream: str) -> str:
        told = f"adding to {stream!r} failed: {self.cause}. Of {len(self.ids):,} jobs "
        told += f"{len(self.added):,} are known to be added"
        rest = len(self.ids) - len(self.added) - len(self.unsure)
        if self.unsure:
            told += f", {len(self.unsure):,} may or may not have been (no answer came)"
        if rest:
            told += f", {rest:,} have not been"
        return told + "; add only what is missing"


class Appending:
    """The XADDs of one `add_many`, in chunks of 500 entries or 1 MiB; no I/O."""

    def __init__(self, stream: str, entries: Iterable[Sequence[bytes]]) -> None:
        self._stream = stream
        self._key = stream_bytes(stream)
        self._entries = list(entries)
        self._ids: list[str | None] = []

    def chunks(self) -> Iterator[list[list[bytes]]]:
        """Pipelines of XADD commands; `took` must be told the replies to each before the next."""
        chunk: list[list[bytes]] = []
        size = 0
        for fields in self._entries:
            weight = sum(map(len, fields))
            if chunk and (len(chunk) == CHUNK_JOBS or size + weight > CHUNK_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append([b"XADD", self._key, b"*", *fields])
            size += weight
        if chunk:
            yield chunk

    def took(self, replies: Sequence[Any]) -> None:
        """Notes the ids of one chunk. Raises NotAllAdded if Redis refused one of its entries."""
        refused = next((reply for reply in replies if isinstance(reply, StoreError)), None)
        self._ids += [None if isinstance(r, StoreError) else r.decode() for r in replies]
        if refused is not None:
            raise self._stopped(refused, range(0)) from refused

    def failed(self, cause: StoreError, chunk: Sequence[object]) -> NotAllAdded:
        """The error for a chunk whose replies never came."""
        start = len(self._ids)
        sent = 0 if never_sent(cause) else len(chunk)
        return self._stopped(cause, range(start, start + sent))

    @property
    def ids(self) -> list[str]:
        return [job for job in self._ids if job is not None]

    def _stopped(self, cause: StoreError, unsure: range) -> NotAllAdded:
        missing = len(self._entries) - len(self._ids)
        return NotAllAdded(self._stream, cause, [*self._ids, *[None] * missing], unsure)


def never_sent(error: StoreError) -> bool:
    """Whether it failed before the command left: refused login, no such host, nobody listens.

    redis-py's texts for a failed connect, and no others, say that it was connecting.
    """
    return isinstance(error, Denied) or "connecting to" in str(error.__cause__ or error)


def added_id(stream: str, replies: Sequence[Any]) -> str:
    """The id in the reply to one XADD. Raises the error that stands in its place."""
    reply = replies[0]
    if isinstance(reply, StoreError):
        raise type(reply)(f"nothing was added to {stream!r}: {reply}") from reply
    return bytes(reply).decode()


def unanswered(stream: str, error: StoreError) -> StoreError:
    """The same error, saying what is known of the job (promise 6 of the design)."""
    if never_sent(error):
        return type(error)(f"nothing was added to {stream!r}: {error}")
    return type(error)(
        f"{error}. The job may or may not have been added to {stream!r}: the XADD was sent and "
        "not answered, and isn't sent twice. Look before you add it again"
    )
