"""Does one thing again and again for as long as the worker lives, whatever Redis answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from retraced.errors import GroupMissing, StoreError
from retraced.log import Log
from retraced.worker import trouble
from retraced.worker.patience import Patience


async def _leave_it() -> None:
    """Somebody else makes the group again."""


async def keep_on(
    once: Callable[[], Awaitable[float]],
    sleep: Callable[[float], Awaitable[None]],
    *,
    part: str,
    log: Log,
    missing: Callable[[], Awaitable[None]] = _leave_it,
) -> None:
    """`once` answers the seconds to `sleep`; after a failure it is tried again, with patience.

    `part` names it in the log; `missing` is called when its group is gone.
    """
    patience = Patience()
    while True:
        try:
            pause_s = await once()
        except GroupMissing:
            await missing()
            await patience.wait()
        except StoreError as error:
            trouble.report(log, part, error)
            await patience.wait()
        else:
            trouble.over(log, part)
            patience.reset()
            await sleep(pause_s)
