"""The table with which a scenario ends: figures, and what they must be."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Books:
    """Lines of an account; `right` if every one that has a condition meets it."""

    lines: list[tuple[str, str, bool | None]] = field(default_factory=list)

    def note(self, name: str, value: object) -> None:
        """A figure for people."""
        self.lines.append((name, str(value), None))

    def must(self, name: str, value: object, *, hold: bool) -> None:
        """A figure with a condition."""
        self.lines.append((name, str(value), hold))

    @property
    def right(self) -> bool:
        return all(hold is not False for _, _, hold in self.lines)

    def __str__(self) -> str:
        width = max(len(name) for name, _, _ in self.lines)
        marks = {None: "", True: "  ok", False: "  WRONG"}
        rows = [f"  {name:<{width}}  {value}{marks[hold]}" for name, value, hold in self.lines]
        return "\n".join([*rows, "OK" if self.right else "WRONG"])


def spread(values: list[int]) -> str:
    """Smallest, median, 99th percentile and largest, in ms."""
    if not values:
        return "none"
    ordered = sorted(values)
    middle, late = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return f"{ordered[0]} / {middle} / {late} / {ordered[-1]} ms"
