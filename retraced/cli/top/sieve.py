"""What `/` asks for: a FILTER, as every command knows it, or plain words to look for. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from retraced.cli.top.table import Line
from retraced.errors import UsageError
from retraced.filter import Filter


@dataclass(frozen=True, slots=True)
class Sieve:
    """`filter` is empty where the text isn't one: then all its words must be in a row."""

    text: str = ""
    filter: Filter = Filter.ALL
    words: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Self:
        text = text.strip()
        words = tuple(text.casefold().split())
        try:
            return cls(text, Filter.parse([text]) if text else Filter.ALL, words)
        except UsageError:
            return cls(text, words=words)

    def __bool__(self) -> bool:
        return bool(self.text)

    def lets(self, line: Line) -> bool:
        """Whether a row stays. A FILTER asks about jobs; rows of others are searched for words."""
        if self.filter and line.facts is not None:
            return self.filter.matches(line.facts)
        text = " ".join(line.cells).casefold()
        return all(word in text for word in self.words)
