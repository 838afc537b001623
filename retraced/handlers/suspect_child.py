"""The child process in which one suspect runs: `python -m retraced.handlers.suspect_child FD`.

The job comes as one line of JSON on stdin, the outcome goes back as one on the pipe FD. It never
speaks to Redis, and it ends, with all that it started, when its stdin closes.
"""

import asyncio
import fcntl
import json
import os
import signal
import sys
import threading
import traceback
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO, NoReturn

from retraced.entry import Entry
from retraced.errors import ConfigError, InvalidEntry
from retraced.handlers.arguments import Arguments, Binder
from retraced.handlers.importing import import_registry
from retraced.handlers.python import run_async, run_plain
from retraced.job import Job
from retraced.outcome import Invalid, Outcome, Unhandled
from retraced.registry import Handler


def main() -> None:
    """Run the one job and end."""
    answers = Answers(int(sys.argv[1]))
    control = _own_stdin()
    line = control.readline()
    if not line.endswith(b"\n"):
        return  # the parent died before it had said what to do
    _die_with_parent(control)
    message = json.loads(line)
    sys.path[:] = message["path"]
    try:
        handler = import_registry(message["app"]).get(message["type"])
        binder = None if handler is None else Binder(handler.function, name=handler.type)
    except ConfigError as error:
        traceback.print_exc()
        answers.end({"unusable": str(error)})
    answers.tell({"ready": True})
    if handler is None or binder is None:
        answers.end(_told(Unhandled(message["type"])))
    _run(handler, binder, _job(message), answers)


class Answers:
    """The pipe to the parent: one line of JSON for each thing to say."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # what the handler starts must not hold it
        self._descriptor = descriptor
        self._pid = os.getpid()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Write it whole, waiting for the parent to read if need be."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        while data:
            data = data[os.write(self._descriptor, data) :]

    def end(self, message: Mapping[str, Any]) -> NoReturn:
        """Say the last thing and end, whatever threads the handler has left running."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        if os.getpid() != self._pid:
            os._exit(1)  # a fork of the handler's that came back here doesn't speak for the job
        with suppress(BrokenPipeError):
            self.tell(message)
        os._exit(0)


def _run(handler: Handler, binder: Binder, job: Job, answers: Answers) -> NoReturn:
    try:
        arguments = binder.bind(job)
    except InvalidEntry as error:
        answers.end(_told(Invalid(error.field, error.why)))
    if handler.is_async:
        asyncio.run(_run_async(handler, arguments, answers))
    answers.end(_told(run_plain(handler.function, arguments)))


async def _run_async(handler: Handler, arguments: Arguments, answers: Answers) -> NoReturn:
    """Ends inside the event loop: its shutdown could wait for threads for ever."""
    answers.end(_told(await run_async(handler, arguments)))


def _job(message: Mapping[str, Any]) -> Job:
    flat = [b64decode(part) for part in message["fields"]]
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    entry = Entry(
        message["id"].encode(),
        message["type"],
        fields.get(b"payload"),
        fields,
        reserved=frozenset(b64decode(name) for name in message["reserved"]),
        traceparent=message["traceparent"],
        tracestate=message["tracestate"],
    )
    return Job(
        entry,
        attempt=message["attempt"],
        fence=message["fence"],
        stream=message["stream"],
        group=message["group"],
        max_attempts=message["max_attempts"],
    )


def _told(outcome: Outcome) -> dict[str, Any]:
    return {"outcome": type(outcome).__name__, "values": asdict(outcome)}


def _own_stdin() -> BinaryIO:
    """The parent's pipe out of the handler's reach, which reads an empty stdin instead."""
    control = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return os.fdopen(control, "rb")


def _die_with_parent(control: BinaryIO) -> None:
    """End when the parent's pipe closes, and take along what the handler has started."""
    threading.Thread(target=_watch, args=(control,), daemon=True).start()
    if sys.platform == "linux" and _leads_group():
        # The kernel does the same while a handler that never lets go of the GIL stops the thread.
        fcntl.fcntl(control, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(control, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(control, fcntl.F_GETFL)
        fcntl.fcntl(control, fcntl.F_SETFL, flags | os.O_ASYNC)


def _watch(control: BinaryIO) -> None:
    control.read()
    if _leads_group():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _leads_group() -> bool:
    """False when somebody started it by hand, in the group of his shell."""
    return os.getpgrp() == os.getpid()


if __name__ == "__main__":
    main()
