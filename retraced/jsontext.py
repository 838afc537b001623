"""Values as JSON text, however deeply they are nested.

orjson reads 1,024 levels and writes 254; what was read must be written, too: no command fails
because of what a producer put into a job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import orjson


def dumps(value: object) -> str:
    """JSON without spaces."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return deep(value)


def deep(value: object, plain: Callable[[object], object] = lambda leaf: leaf) -> str:
    """The same without a bound of levels. `plain` makes what JSON lacks something that it has."""
    return "".join(_pieces(value, plain))


class _Between(str):
    """Text that stands between values."""

    __slots__ = ()


def _pieces(value: object, plain: Callable[[object], object]) -> Iterator[str]:
    todo: list[object] = [value]  # the next one last
    while todo:
        match todo.pop():
            case _Between() as text:
                yield text
            case Mapping() as members:
                named = [(_leaf(str(plain(name))) + ":", item) for name, item in members.items()]
                todo += reversed(_enclosed("{", named, "}"))
            case list() | tuple() as items:
                todo += reversed(_enclosed("[", [("", item) for item in items], "]"))
            case leaf:
                yield _leaf(plain(leaf))


def _enclosed(begin: str, named: list[tuple[str, object]], end: str) -> list[object]:
    parts: list[object] = [_Between(begin)]
    for at, (name, item) in enumerate(named):
        parts += _Between("," + name if at else name), item
    return [*parts, _Between(end)]


def _leaf(value: object) -> str:
    return orjson.dumps(value, default=str).decode()
