"""Following what happens across an absence of Redis: for commands that run until Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from retraced.cli.prose import note
from retraced.errors import Unavailable

T = TypeVar("T")

_AGAIN_AFTER_S = 1.0


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` gives, as soon as Redis answers; that it is away is said once, on stderr."""
    away = False
    while True:
        try:
            found = await read()
        except Unavailable as error:
            if not away:
                note(f"{error} It is tried again until Ctrl-C")
            away = True
            await asyncio.sleep(_AGAIN_AFTER_S)
        else:
            if away:
                note("Redis is back")
            return found
