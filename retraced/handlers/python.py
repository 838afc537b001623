"""Runs Python handlers, coroutines and plain functions, and says what came of it.

The worker's dispatcher binds the arguments, calls one of these and gets an Outcome.
"""

import asyncio
import contextvars
import inspect
import threading
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from retraced.errors import InvalidEntry, Reject, Retry, Snooze
from retraced.handlers.arguments import Arguments, Binder
from retraced.outcome import (
    Failed,
    Invalid,
    Outcome,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
    tail,
)
from retraced.registry import Handler, Registry

ERROR_CHARACTERS = 1_000

_SUCCEEDED = Succeeded()


@dataclass(frozen=True, slots=True)
class Callee:
    """A handler and what its signature asks for."""

    handler: Handler
    binder: Binder


def callees(registry: Registry) -> dict[str, Callee]:
    """Every handler by its type, its signature read; `"*"` is one of the keys.

    Raises ConfigError for the first handler whose signature no job can fill.
    """
    return {
        handler.type: Callee(handler, Binder(handler.function, name=handler.type))
        for handler in registry.handlers
    }


def invoke(handler: Handler, arguments: Arguments) -> Coroutine[Any, Any, Any]:
    """The coroutine of an async handler's call, not yet begun; what it raises is an outcome."""
    positional, keywords = arguments
    coroutine: Coroutine[Any, Any, Any] = handler.function(*positional, **keywords)
    return coroutine


async def run_async(handler: Handler, arguments: Arguments) -> Outcome:
    """Run an async handler to its end. CancelledError passes through: the caller asked for it."""
    positional, keywords = arguments
    try:
        await handler.function(*positional, **keywords)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is the outcome
        return outcome_of(error)
    return _SUCCEEDED


def run_plain(function: Callable[..., Any], arguments: Arguments) -> Outcome:
    """Run a plain handler in this thread."""
    positional, keywords = arguments
    try:
        result = function(*positional, **keywords)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is the outcome
        return outcome_of(error)
    return _SUCCEEDED if result is None else _checked(result)


def outcome_of(error: BaseException) -> Outcome:
    """What an exception out of a handler means for its job."""
    match error:
        case Retry():
            reason = error.reason or "the handler asked for a retry"
            return Failed(reason, retry_after_ms=error.after_ms, kind="retry")
        case Reject():
            return Rejected(error.reason or "the handler rejected it")
        case Snooze():
            return Snoozed(error.for_ms)
        case InvalidEntry():
            return Invalid(error.field, error.why)
        case SystemExit():
            return Failed(f"the handler called sys.exit({error.code!r})", _traceback(error))
        case _:
            return Failed(_summary(error), _traceback(error))


class ThreadRunner:
    """Daemon threads for plain handlers: one stuck in its handler can't keep the process alive.

    At most `max_threads` exist; a call beyond them waits for one to come back. Belongs to one
    event loop.
    """

    def __init__(self, max_threads: int) -> None:
        self._free = asyncio.Semaphore(max_threads)
        self._idle: list[_Thread] = []
        self._stuck = 0

    @property
    def stuck(self) -> int:
        """How many threads still run a call whose caller has gone (timed out or cancelled)."""
        return self._stuck

    async def run(
        self,
        function: Callable[..., Any],
        arguments: Arguments,
        *,
        timeout_ms: int | None = None,
        on_return: Callable[[], None] | None = None,
    ) -> Outcome:
        """Run a plain function in a thread, in a copy of this context.

        A thread can't be stopped: past its timeout the answer is TimedOut(abandoned=True) while it
        runs on, and when this is cancelled it runs on too. `on_return` is called in the event
        loop, exactly once, when the function has really returned (or will never begin): keep the
        slot until then.
        """
        told = on_return or _nobody
        try:
            await self._free.acquire()
        except asyncio.CancelledError:
            told()
            raise
        call = _Call(function, arguments, asyncio.get_running_loop(), self._returned, told)
        self._thread().calls.put(call)
        try:
            return await _within(call.result, timeout_ms)
        finally:
            self._stuck += call.result.cancelled()

    def close(self) -> None:
        """End the idle threads; those at work end with the process."""
        while self._idle:
            self._idle.pop().calls.put(None)

    def _thread(self) -> "_Thread":
        if self._idle:
            return self._idle.pop()
        thread = _Thread()
        thread.start()
        return thread

    def _returned(self, thread: "_Thread", call: "_Call", outcome: Outcome) -> None:
        self._idle.append(thread)
        self._free.release()
        if call.result.cancelled():
            self._stuck -= 1
        else:
            call.result.set_result(outcome)
        call.told()


async def _within(result: "asyncio.Future[Outcome]", timeout_ms: int | None) -> Outcome:
    if timeout_ms is None:
        return await result
    try:
        async with asyncio.timeout(timeout_ms / 1000):
            return await result
    except TimeoutError:
        # It may have returned in the very moment of its timeout.
        return TimedOut(timeout_ms, abandoned=True) if result.cancelled() else result.result()


@dataclass(slots=True)
class _Call:
    """One call on its way through a thread and back to its event loop."""

    function: Callable[..., Any]
    arguments: Arguments
    loop: asyncio.AbstractEventLoop
    returned: "Callable[[_Thread, _Call, Outcome], None]"
    told: Callable[[], None]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    result: "asyncio.Future[Outcome]" = field(init=False)

    def __post_init__(self) -> None:
        self.result = self.loop.create_future()


class _Thread(threading.Thread):
    """Runs one call after another until it is given None."""

    def __init__(self) -> None:
        super().__init__(name="retraced-handler", daemon=True)
        self.calls: SimpleQueue[_Call | None] = SimpleQueue()

    def run(self) -> None:
        while (call := self.calls.get()) is not None:
            outcome = call.context.run(run_plain, call.function, call.arguments)
            try:
                call.loop.call_soon_threadsafe(call.returned, self, call, outcome)
            except RuntimeError:  # the loop is closed: nobody waits for this thread any more
                return


def _nobody() -> None:
    """Nobody wants to know that a thread has returned."""


def _checked(result: object) -> Outcome:
    """Plain functions may return anything, but a coroutine means that nothing has run yet."""
    if not inspect.iscoroutine(result):
        return _SUCCEEDED
    result.close()
    return Failed("the handler returned a coroutine that nothing awaits; make it an async def")


def _summary(error: BaseException) -> str:
    name = type(error).__qualname__
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ is the handler's, the job's story goes on
        return f"{name} (its text can't be read)"
    return f"{name}: {text[:ERROR_CHARACTERS]}" if text else name


def _traceback(error: BaseException) -> str:
    """The tail of the traceback, from the handler's own first frame on."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    try:
        return tail("".join(traceback.format_exception(type(error), error, frames)))
    except Exception:  # noqa: BLE001 - see _summary
        return tail("".join(traceback.format_tb(frames)))
