"""Small words for people."""

from __future__ import annotations

_SIZES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 worker`, `2 workers`; `many` where an s isn't enough."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def size(count: int) -> str:
    """Bytes for people: `64MiB`, `1.5GiB`, `300 bytes`."""
    for unit, name in _SIZES:
        if count >= unit:
            return f"{count / unit:.1f}".removesuffix(".0") + name
    return f"{count} bytes"
