"""Small words for people."""

from __future__ import annotations


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 worker`, `2 workers`; `many` where an s isn't enough."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
