"""FILTER, the one language in which commands are told which jobs: terms `field op value` and AND.

Pure: commands parse, reads ask `fields` what must be fetched and `matches` of each job's facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from retraced.filter.facts import JobFacts
from retraced.filter.reading import FIELDS, PATHS, STATES, terms_of
from retraced.filter.terms import JOB_ID, Term

__all__ = ["FIELDS", "JOB_ID", "PATHS", "STATES", "Filter", "JobFacts", "Term"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Terms that must all hold; without terms it is False, and every job matches."""

    terms: tuple[Term, ...] = ()
    ALL: ClassVar[Filter]

    @classmethod
    def parse(cls, words: Sequence[str]) -> Filter:
        """Reads the words of a command line: `type=mail AND error:"no route" 'age>1h'`.

        A value with spaces or operators in it is put into quotes. Raises UsageError.
        """
        return cls(tuple(term for word in words for term in terms_of(word)))

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def fields(self) -> frozenset[str]:
        """Which fields are used: names of FIELDS, `header`, `payload`."""
        return frozenset(term.field for term in self.terms)

    @property
    def needs_body(self) -> bool:
        """Whether the producer's fields must be fetched."""
        return not self.fields.isdisjoint({"type", "key", "header", "payload"})

    def matches(self, facts: JobFacts) -> bool:
        """Whether all terms hold."""
        return all(term.holds(facts) for term in self.terms)

    def allows(self, state: str) -> bool:
        """Whether a job in this state may match: what can't needn't be looked through."""
        if "died" in self.fields and state != "dead":
            return False
        facts = JobFacts(b"0-0", state=state)
        return all(term.holds(facts) for term in self.terms if term.field == "state")


Filter.ALL = Filter()
