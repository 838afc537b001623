"""What `/` asks for: a FILTER, as every command knows it, or plain words to look for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from retraced.cli.output import printable
from retraced.cli.top.table import Line
from retraced.errors import UsageError
from retraced.filter import Filter

_WORD = re.compile(r'(?:"[^"]*"|\S)+')  # as a shell would part them
_OPERATORS = frozenset(":=<>")


@dataclass(frozen=True, slots=True)
class Sieve:
    """`filter` is empty where the text isn't one: then all its words must be in a row.

    `trouble` says why it isn't, where it looks as if it were to be one.
    """

    text: str = ""
    filter: Filter = Filter.ALL
    words: tuple[str, ...] = ()
    trouble: str = ""

    @classmethod
    def of(cls, text: str) -> Self:
        text = text.strip()
        words = tuple(text.casefold().split())
        try:
            return cls(text, Filter.parse(_WORD.findall(text)), words)
        except UsageError as error:
            looks_so = not _OPERATORS.isdisjoint(text)
            return cls(text, words=words, trouble=str(error) if looks_so else "")

    def __bool__(self) -> bool:
        return bool(self.text)

    def lets(self, line: Line) -> bool:
        """Whether a row stays. A FILTER asks about jobs; rows of others are searched for words."""
        if self.filter and line.facts is not None:
            return self.filter.matches(line.facts)
        text = " ".join(line.cells).casefold()
        return all(word in text for word in self.words)

    def told(self, found: int, read: int) -> str:
        """How many rows it leaves, and what the text was taken for."""
        kind = "FILTER" if self.filter else "words"
        trouble = f" (no FILTER: {printable(self.trouble)})" if self.trouble else ""
        return f"{kind} {printable(self.text)}: {found:,} of {read:,} rows{trouble}; Esc: all"
