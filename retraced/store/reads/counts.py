"""How many jobs of a group are where: asked and understood in one place, for each look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from retraced.keys import Keys
from retraced.store.reads.replies import if_group, number, settled

Command = tuple[bytes | str | int, ...]
QUESTIONS = 6


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """`first`, `again`: held on a first delivery (on `S`), on a later one (on the ready stream).

    `ready`: due, and waiting for a worker. `lowest_held`: the lowest id that is held on `S`.
    `cancels`: asked for, and not yet in effect: of what waits, it ends instead of being started.
    """

    first: int = 0
    again: int = 0
    ready: int = 0
    delayed: int = 0
    dead: int = 0
    cancels: int = 0
    lowest_held: bytes | None = None

    @property
    def held(self) -> int:
        return self.first + self.again

    @classmethod
    def parse(cls, replies: Sequence[Any]) -> Self:
        """From the replies to `count_questions`. Raises StoreErrors that stand among them."""
        first, again, ready, delayed, dead, cancels = replies
        on_stream, held_again = if_group(first, [0, None]), number(if_group(again, [0])[0])
        return cls(
            first=number(on_stream[0]),
            again=held_again,
            ready=max(number(settled(ready)) - held_again, 0),
            delayed=number(settled(delayed)),
            dead=number(settled(dead)),
            cancels=number(settled(cancels)),
            lowest_held=on_stream[1],
        )


def count_questions(keys: Keys) -> list[Command]:
    """`QUESTIONS` cheap commands; none reads an entry."""
    return [
        ("XPENDING", keys.stream, keys.group),
        ("XPENDING", keys.ready, keys.group),
        ("XLEN", keys.ready),
        ("ZCARD", keys.delayed),
        ("XLEN", keys.dlq),
        ("SCARD", keys.cancelled),
    ]
