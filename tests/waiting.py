"""Waits for a condition with a deadline and a description, instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_S = 0.01


async def eventually(
    condition: Callable[[], T | Awaitable[T]], deadline: float = 5.0, description: str = ""
) -> T:
    """The condition's value once it is true; it may be async. Fails at the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        result: T = await value if inspect.isawaitable(value) else value
        if result:
            return result
        if time.monotonic() >= end:
            raise AssertionError(_missed(deadline, description, result))
        await asyncio.sleep(_PAUSE_S)


def wait_until(condition: Callable[[], T], deadline: float = 5.0, description: str = "") -> T:
    """`eventually` for tests without an event loop."""
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= end:
            raise AssertionError(_missed(deadline, description, result))
        time.sleep(_PAUSE_S)


def _missed(deadline: float, description: str, last: object) -> str:
    return f"not within {deadline} s: {description or 'the condition'} (last seen: {last!r})"
