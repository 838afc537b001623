"""What a path such as `user.id` or `to.0` means inside a payload: here, and nowhere else.

A FILTER's `payload.PATH` finds by it, `dlq requeue --set payload.PATH=...` changes by it. Names of
objects and numbers of lists are joined by dots; a name may itself have dots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

Step = str | int

_INDEX = re.compile(r"[0-9]{1,9}")


class Missing:
    """What stands for a value that a job hasn't got."""


MISSING = Missing()


def found(whole: object, path: str) -> object:
    """What is at the path; MISSING if nothing is."""
    steps = way(whole, path.split("."))
    return MISSING if steps is None else reached(whole, steps)


def way(whole: Any, parts: Sequence[str]) -> list[Step] | None:
    """The names and indexes that lead along the parts of a path, long names first; None: nothing.

    No parts lead to the whole itself.
    """
    if not parts:
        return []
    for size in range(len(parts), 0, -1):
        step = _step(whole, ".".join(parts[:size]))
        if step is None:
            continue
        rest = way(whole[step], parts[size:])
        if rest is not None:
            return [step, *rest]
    return None


def reached(whole: Any, steps: Sequence[Step]) -> Any:
    """What is at the end of a way."""
    for step in steps:
        whole = whole[step]
    return whole


def _step(here: object, name: str) -> Step | None:
    match here:
        case dict() if name in here:
            return name
        case list() if _INDEX.fullmatch(name) and int(name) < len(here):
            return int(name)
        case _:
            return None
