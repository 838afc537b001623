"""What is wrong with a body, in words: which field, what was expected, what was found."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from retraced.errors import InvalidEntry

_SHOWN = 60


def mismatch(path: str, expected: str, value: object) -> InvalidEntry:
    """`payload.user_id: expected int, found "abc" (str)`."""
    return InvalidEntry(path, f"expected {expected}, found {shown(value)}")


def shown(value: object) -> str:
    """A value and its type, on one line and short enough for a message."""
    if value is None:
        return "null"
    if isinstance(value, (dict, list)):
        return f"{type(value).__name__} of {len(value)}"
    text = str(value)
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return f"{json.dumps(short) if isinstance(value, str) else short} ({type(value).__name__})"


def inside(path: str, name: object) -> str:
    """The path of a field; names come from producers and may be of any length."""
    text = str(name)
    short = text if len(text) <= _SHOWN and text.isprintable() else json.dumps(text[:_SHOWN])
    return f"{path}.{short}"


def check_names(
    given: Mapping[str, Any],
    path: str,
    *,
    known: Collection[str],
    required: frozenset[str],
    owner: str,
    open_ended: bool = False,
) -> None:
    """Refuse missing and (unless open-ended) surplus names. Raises InvalidEntry."""
    surplus = [] if open_ended else [name for name in given if name not in known]
    missing = [name for name in known if name in required and name not in given]
    if missing:
        hint = f"; {inside(path, surplus[0])} is given instead" if surplus else ""
        raise InvalidEntry(f"{path}.{missing[0]}", f"missing, {owner} needs it{hint}")
    if surplus:
        names = ", ".join(known) or "nothing"
        raise InvalidEntry(inside(path, surplus[0]), f"not known to {owner}, which takes {names}")


def model_mismatch(error: ValueError, path: str) -> InvalidEntry:
    """The first problem that a pydantic or msgspec model names."""
    problems = getattr(error, "errors", None)
    if callable(problems):  # pydantic: one dictionary a problem
        first = problems()[0]
        return InvalidEntry(
            path + "".join(_step(part) for part in first["loc"]),
            f"{first['msg']}, found {shown(first['input'])}",
        )
    text, _, place = str(error).partition(" - at `$")  # msgspec: "Expected ... - at `$.a[0]`"
    return InvalidEntry(path + place.rstrip("`"), text)


def _step(part: object) -> str:
    return f"[{part}]" if isinstance(part, int) else inside("", part)
