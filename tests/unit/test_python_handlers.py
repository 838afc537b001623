"""What comes of a Python handler's run, in the event loop and in threads."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from retraced.errors import ConfigError, InvalidEntry, Reject, Retry, Snooze
from retraced.handlers.python import (
    ThreadRunner,
    callees,
    invoke,
    outcome_of,
    run_async,
    run_plain,
)
from retraced.outcome import Failed, Invalid, Rejected, Snoozed, Succeeded, TimedOut
from retraced.registry import Handler, Registry

NOTHING: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})


def raising(error: BaseException) -> Callable[[], None]:
    def handler() -> None:
        raise error

    return handler


def raising_async(error: BaseException) -> Handler:
    async def handler() -> None:
        raise error

    return Handler("handler", handler, is_async=True)


def test_exceptions_steer_the_outcome() -> None:
    assert outcome_of(Reject("no such user")) == Rejected("no such user")
    assert outcome_of(Snooze("5s")) == Snoozed(5000)
    assert outcome_of(Retry(after=timedelta(seconds=2), reason="busy")) == Failed(
        "busy", retry_after_ms=2000, kind="retry"
    )
    assert outcome_of(Retry()) == Failed("the handler asked for a retry", kind="retry")
    assert outcome_of(InvalidEntry("payload", "isn't JSON")) == Invalid("payload", "isn't JSON")


def test_any_other_exception_fails_the_attempt_with_its_traceback() -> None:
    outcome = run_plain(raising(ValueError("no luck")), NOTHING)
    assert isinstance(outcome, Failed)
    assert outcome.error == "ValueError: no luck"
    assert "raise error" in outcome.traceback
    assert "handlers/python.py" not in outcome.traceback
    assert outcome.traceback.endswith("ValueError: no luck\n")


def test_texts_of_any_length_are_bounded_and_keep_their_end() -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("x" * 5000)
        deep(n - 1) if n % 2 else deep(n=n - 1)

    outcome = run_plain(deep, ((50,), {}))
    assert isinstance(outcome, Failed)
    assert len(outcome.error) < 1100
    assert len(outcome.traceback.encode()) <= 4096
    assert outcome.traceback.endswith("x\n")


def test_an_exception_whose_text_cannot_be_read_still_fails_the_attempt() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("twice")

    outcome = run_plain(raising(Broken()), NOTHING)
    assert isinstance(outcome, Failed)
    assert "Broken" in outcome.error


def test_sys_exit_ends_the_attempt_and_not_the_worker() -> None:
    outcome = run_plain(lambda: sys.exit(3), NOTHING)
    assert isinstance(outcome, Failed)
    assert outcome.error == "the handler called sys.exit(3)"


def test_a_plain_handler_that_returns_a_coroutine_has_not_run() -> None:
    async def inner() -> None: ...

    outcome = run_plain(inner, NOTHING)
    assert isinstance(outcome, Failed)
    assert "make it an async def" in outcome.error


async def test_async_handlers_give_their_outcome() -> None:
    async def handler(a: int, *, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    succeeding = Handler("handler", handler, is_async=True)
    assert await run_async(succeeding, ((1,), {"b": 2})) == Succeeded()
    assert await invoke(succeeding, ((1,), {"b": 2})) == 3
    assert await run_async(raising_async(Reject("no")), NOTHING) == Rejected("no")
    assert isinstance(await run_async(raising_async(SystemExit(1)), NOTHING), Failed)
    assert isinstance(await run_async(raising_async(TimeoutError()), NOTHING), Failed)


async def test_cancellation_passes_through_an_async_handler() -> None:
    async def handler() -> None:
        await asyncio.sleep(60)

    task = asyncio.create_task(run_async(Handler("h", handler, is_async=True), NOTHING))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_callees_read_every_signature_at_once() -> None:
    registry = Registry()
    registry.add("good", raising(ValueError()))
    assert set(callees(registry)) == {"good"}

    def bad(raw: bytes) -> None: ...

    registry.add("wrong", bad)
    with pytest.raises(ConfigError, match="handler 'wrong': parameter 'raw'"):
        callees(registry)


async def test_a_plain_handler_runs_in_a_daemon_thread_with_the_callers_context() -> None:
    name = contextvars.ContextVar("name", default="none")
    name.set("ada")
    seen: list[Any] = []

    def handler(job: object) -> None:
        seen.append((name.get(), threading.current_thread().daemon, job))
        name.set("changed")

    runner = ThreadRunner(2)
    assert await runner.run(handler, (("a job",), {})) == Succeeded()
    assert await runner.run(handler, (("a job",), {})) == Succeeded()
    assert seen == [("ada", True, "a job")] * 2
    runner.close()


async def test_threads_are_reused_and_never_more_than_allowed() -> None:
    threads: set[int] = set()

    def handler() -> None:
        threads.add(threading.get_ident())
        time.sleep(0.005)

    runner = ThreadRunner(3)
    outcomes = await asyncio.gather(*(runner.run(handler, NOTHING) for _ in range(20)))
    assert outcomes == [Succeeded()] * 20
    assert len(threads) == 3
    runner.close()


async def test_a_thread_that_outlives_its_timeout_keeps_its_slot_until_it_returns() -> None:
    leave, returned = threading.Event(), asyncio.Event()
    runner = ThreadRunner(1)
    outcome = await runner.run(leave.wait, ((10,), {}), timeout_ms=20, on_return=returned.set)
    assert outcome == TimedOut(20, abandoned=True)
    assert not returned.is_set()
    assert runner.stuck == 1
    behind = asyncio.create_task(runner.run(lambda: None, NOTHING))
    await asyncio.sleep(0.02)
    assert not behind.done()
    leave.set()
    await asyncio.wait_for(returned.wait(), 5)
    assert await asyncio.wait_for(behind, 5) == Succeeded()
    assert runner.stuck == 0
    runner.close()


async def test_a_cancelled_run_tells_when_its_thread_has_returned() -> None:
    leave, returned = threading.Event(), asyncio.Event()
    runner = ThreadRunner(1)
    task = asyncio.create_task(runner.run(leave.wait, ((10,), {}), on_return=returned.set))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not returned.is_set()
    leave.set()
    await asyncio.wait_for(returned.wait(), 5)
    runner.close()


async def test_a_run_cancelled_while_it_waits_for_a_thread_says_that_it_is_over() -> None:
    leave, told = threading.Event(), []
    runner = ThreadRunner(1)
    first = asyncio.create_task(runner.run(leave.wait, ((10,), {})))
    await asyncio.sleep(0)
    second = asyncio.create_task(
        runner.run(lambda: None, NOTHING, on_return=lambda: told.append(True))
    )
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert told == [True]
    leave.set()
    assert await asyncio.wait_for(first, 5) == Succeeded()
    runner.close()


async def test_every_normal_return_is_told_once() -> None:
    told: list[bool] = []
    runner = ThreadRunner(1)
    await runner.run(lambda: None, NOTHING, on_return=lambda: told.append(True))
    await runner.run(raising(ValueError()), NOTHING, on_return=lambda: told.append(True))
    assert told == [True, True]
    runner.close()


def test_a_stuck_thread_does_not_keep_the_process_alive() -> None:
    program = (
        "import asyncio, time\n"
        "from retraced.handlers.python import ThreadRunner\n"
        "async def main():\n"
        "    print(await ThreadRunner(1).run(time.sleep, ((60,), {}), timeout_ms=20))\n"
        "asyncio.run(main())\n"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    )
    assert "abandoned=True" in done.stdout
