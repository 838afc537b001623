"""Runs a suspect, a job that was lost twice or has crashed, alone in a child process.

The parent, which is the worker, holds, renews and settles the job; a death of the child that it
did not cause itself is the outcome *crashed*.
"""

import asyncio
import json
import os
import sys
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from retraced.entry import Entry
from retraced.errors import ConfigError
from retraced.handlers.child import Child
from retraced.handlers.exits import returned
from retraced.handlers.pipes import Reading, Writing
from retraced.job import Job
from retraced.outcome import (
    Crashed,
    Failed,
    Invalid,
    Outcome,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
    Unhandled,
    Unstarted,
)

GRACE_S = 5.0
START_S = 60.0

_CHILD = ("-u", "-X", "faulthandler", "-m", "retraced.handlers.suspect_child")
_OUTCOMES: Mapping[str, type[Outcome]] = {
    outcome.__name__: outcome
    for outcome in (Succeeded, Failed, Rejected, Snoozed, Invalid, Unhandled)
}


class SuspectRunner:
    """Runs jobs of the app `module:attr`, each in a Python process of its own.

    `grace_s` lies between SIGTERM and SIGKILL when an attempt is ended from outside; `start_s` is
    how long the child may take to import the app.
    """

    def __init__(
        self,
        app_target: str,
        *,
        python: str = sys.executable,
        environ: Mapping[str, str] | None = None,
        grace_s: float = GRACE_S,
        start_s: float = START_S,
    ) -> None:
        self._app_target = app_target
        self._python = python
        self._environ = environ
        self._grace_s = grace_s
        self._start_s = start_s

    async def run(self, job: Job, entry: Entry, *, timeout_ms: int | None = None) -> Outcome:
        """One attempt; the timeout counts from the handler's start, not the child's.

        Raises ConfigError when the child can't import the app: that is no job's fault, and no
        suspect can run until it is mended. Cancelled, it ends the child before it passes that on.
        """
        answers = _Answers()
        try:
            child = self._start(answers, self._message(job, entry))
        except OSError as error:  # no process or file descriptor left
            return Unstarted(f"its child process can't be started: {error}")
        try:
            outcome = await self._outcome(child, answers, timeout_ms)
            if not await child.left(self._grace_s):
                await child.end(0)
        except BaseException:
            await child.end(self._grace_s)
            raise
        finally:
            child.close()
        return outcome

    def _start(self, answers: "_Answers", message: bytes) -> Child:
        answers.pipe.open()  # the child has to be told its number
        try:
            return Child.start(
                (self._python, *_CHILD, str(answers.pipe.theirs)),
                env=os.environ if self._environ is None else self._environ,
                stdin=Writing(message, keep_open=True),
                extra=answers.pipe,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise ConfigError(f"can't start {self._python} for a suspect: {error}") from error

    async def _outcome(self, child: Child, answers: "_Answers", timeout_ms: int | None) -> Outcome:
        exited = asyncio.ensure_future(child.wait())
        try:
            if not await _first(self._start_s, exited, answers.ready):
                await child.end(self._grace_s)
                return Unstarted(f"its child process wasn't ready in {self._start_s:.0f} s")
            in_time = await _first(_seconds(timeout_ms), exited, answers.last)
        finally:
            exited.cancel()
        if not in_time and not answers.last.done():
            await child.end(self._grace_s)
            return TimedOut(timeout_ms or 0)
        answers.pipe.close()  # takes what it said just before it ended
        return self._judged(answers, exited)

    def _judged(self, answers: "_Answers", exited: "asyncio.Future[int]") -> Outcome:
        if answers.last.done():
            return self._told(answers.last.result())
        how = returned(exited.result())
        if answers.ready.done():
            return Crashed(how)
        raise ConfigError(
            f"the child process for a suspect ended while it imported {self._app_target}: {how}; "
            "its stderr, above in the log, may say more"
        )

    def _told(self, message: Mapping[str, Any]) -> Outcome:
        if "unusable" in message:
            raise ConfigError(f"in the child process for a suspect: {message['unusable']}")
        return _OUTCOMES[message["outcome"]](**message["values"])

    def _message(self, job: Job, entry: Entry) -> bytes:
        """All that the child has to know, as one line."""
        flat = (part for field in entry.fields.items() for part in field)
        message = {
            "app": self._app_target,
            "path": sys.path,
            "id": job.id,
            "type": job.type,
            "stream": job.stream,
            "group": job.group,
            "max_attempts": job.max_attempts,
            "attempt": job.attempt,
            "fence": job.fence,
            "fields": [_text(part) for part in flat],
            "reserved": [_text(name) for name in entry.reserved],
            "traceparent": entry.traceparent,
            "tracestate": entry.tracestate,
        }
        return json.dumps(message).encode() + b"\n"


class _Answers:
    """What the child says, a line at a time: that it begins, and how it ended."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.pipe = Reading(self._add)
        self.ready: asyncio.Future[None] = loop.create_future()
        self.last: asyncio.Future[Mapping[str, Any]] = loop.create_future()
        self._rest = b""

    def _add(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            with suppress(
                ValueError, TypeError
            ):  # not the child's word, but a handler's on the wrong pipe
                self._take(json.loads(line))

    def _take(self, message: Mapping[str, Any]) -> None:
        if not self.ready.done():
            self.ready.set_result(None)
        if "ready" not in message and not self.last.done():
            self.last.set_result(message)


async def _first(within_s: float | None, *futures: "asyncio.Future[Any]") -> bool:
    """Whether one of them is done in time."""
    done, _ = await asyncio.wait(futures, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _text(part: bytes) -> str:
    return b64encode(part).decode()
