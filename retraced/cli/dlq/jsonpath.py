"""Single values inside a JSON document, replaced and removed by a path such as `a.0.b`.

Nothing else in the document changes its value: one that this could happen to is refused. All
functions take and give bytes and raise ValueError with text for people.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from retraced.filter.paths import reached, way


def loads(document: bytes) -> Any:
    """The document as Python has it. Raises ValueError if it isn't JSON or would lose something."""
    try:
        return json.loads(
            document.decode(),
            parse_float=_exact,
            parse_constant=_refused,
            object_pairs_hook=_without_twins,
        )
    except UnicodeDecodeError:
        raise ValueError("the payload isn't JSON; set it whole, or use --edit") from None
    except RecursionError:
        raise ValueError("the payload is nested too deeply to be changed") from None
    except json.JSONDecodeError:
        raise ValueError("the payload isn't JSON; set it whole, or use --edit") from None


def dumps(value: object) -> bytes:
    """JSON without spaces, UTF-8."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except RecursionError:
        raise ValueError("the payload is nested too deeply to be changed") from None
    except UnicodeEncodeError:  # a lone surrogate can only be written as an escape
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def value_of(given: str) -> Any:
    """What a person wrote: JSON if it is JSON, else the text itself."""
    try:
        return json.loads(given, parse_constant=_refused)
    except (ValueError, RecursionError):
        return given


def replaced(document: bytes, path: str, value: object) -> bytes:
    """The document with `value` at the path; objects on the way are made."""
    whole = loads(document)
    parts = path.split(".")
    steps = way(whole, parts)
    if steps is not None:
        reached(whole, steps[:-1])[steps[-1]] = value
        return dumps(whole)
    here, there = _deepest(whole, parts)
    for at in range(there, len(parts) - 1):
        inner: dict[str, object] = {}
        _put(here, parts[at], inner, parts[:at])
        here = inner
    _put(here, parts[-1], value, parts[:-1])
    return dumps(whole)


def removed(document: bytes, path: str) -> bytes:
    """The document without what is at the path; as it was if nothing is."""
    whole = loads(document)
    steps = way(whole, path.split("."))
    if steps is None:
        return document
    del reached(whole, steps[:-1])[steps[-1]]
    return dumps(whole)


def _deepest(whole: Any, parts: Sequence[str]) -> tuple[Any, int]:
    """How far a path leads to something that is there: that, and how many parts lead to it."""
    for size in range(len(parts) - 1, 0, -1):
        steps = way(whole, parts[:size])
        if steps is not None:
            return reached(whole, steps), size
    return whole, 0


def _put(here: Any, part: str, value: object, parts: Sequence[str]) -> None:
    match here:
        case dict():
            here[part] = value
        case list() if part == str(len(here)):
            here.append(value)
        case list():
            raise ValueError(f"{_named(parts)} is a list of {len(here)}; {part} is no place in it")
        case _:
            raise ValueError(f"{_named(parts)} is neither an object nor a list")


def _named(parts: Sequence[str]) -> str:
    return ".".join(("payload", *parts))


def _exact(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or Decimal(repr(number)) != Decimal(text):
        raise ValueError(
            f"its number {text[:40]} has more digits than can be kept; set the payload whole, "
            "or use --edit"
        )
    return number


def _refused(text: str) -> object:
    raise ValueError(f"{text} isn't JSON; set the payload whole, or use --edit")


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object in it has a name twice; set the payload whole, or use --edit")
    return made
