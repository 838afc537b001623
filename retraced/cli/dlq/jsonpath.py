"""Single values inside a JSON document, found, replaced and removed by a path such as `a.0.b`.

Nothing else in the document changes its value: one that this could happen to is refused. All
functions take and give bytes and raise ValueError with text for people.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

_MISSING = object()


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
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
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
    here = whole
    for at, part in enumerate(parts[:-1]):
        here = _entered(here, part, parts[:at])
    _put(here, parts[-1], value, parts[:-1])
    return dumps(whole)


def removed(document: bytes, path: str) -> bytes:
    """The document without what is at the path; as it was if nothing is."""
    whole = loads(document)
    *way, last = path.split(".")
    here = whole
    for part in way:
        here = _step(here, part)
    if _step(here, last) is _MISSING:
        return document
    if isinstance(here, list):
        del here[int(last)]
    else:
        del here[last]
    return dumps(whole)


def found(whole: object, path: Sequence[str]) -> object:
    """What is at the path; the same object for all that is missing."""
    here = whole
    for part in path:
        here = _step(here, part)
    return here


def _entered(here: Any, part: str, way: Sequence[str]) -> Any:
    inner = _step(here, part)
    if inner is _MISSING:
        inner = {}
        _put(here, part, inner, way)
    return inner


def _put(here: Any, part: str, value: object, way: Sequence[str]) -> None:
    match here:
        case dict():
            here[part] = value
        case list() if part.isascii() and part.isdigit() and int(part) < len(here):
            here[int(part)] = value
        case list() if part.isascii() and part.isdigit() and int(part) == len(here):
            here.append(value)
        case list():
            raise ValueError(f"{_named(way)} is a list of {len(here)}; {part} is no place in it")
        case _:
            raise ValueError(f"{_named(way)} is neither an object nor a list")


def _step(here: object, part: str) -> Any:
    match here:
        case dict():
            return here.get(part, _MISSING)
        case list() if part.isascii() and part.isdigit() and int(part) < len(here):
            return here[int(part)]
        case _:
            return _MISSING


def _named(way: Sequence[str]) -> str:
    return ".".join(("payload", *way))


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
