"""Putting dead letters back, and why one isn't: what is decided before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retraced.cli import bulk
from retraced.cli.bulkresult import Result
from retraced.cli.dlq import flaws
from retraced.cli.dlq.changes import NO_STEPS, CantChange, Change, Fields, Steps, own_fields
from retraced.cli.dlq.letters import DeadLetters, Wanted
from retraced.store.reads.dead import DeadLetter
from retraced.store.scripts import Call
from retraced.store.writes import Ruling, Verdict, requeue

_REMEDY = (
    "Mend it with --set, --unset or --edit; or say --even-invalid if the handler or "
    "--max-payload was what you mended"
)


@dataclass(frozen=True, slots=True)
class How:
    """What is done to each. `even_invalid`: what made them invalid has been flaws."""

    by: str
    keep_schedule: bool = False
    even_invalid: bool = False
    steps: Steps = NO_STEPS


class Requeuer:
    """Puts jobs of one group back into its queue."""

    def __init__(self, letters: DeadLetters, how: How) -> None:
        self._letters = letters
        self._how = how

    async def __call__(self, wanted: Sequence[Wanted]) -> list[Result]:
        """One result for each, in their order; one that can't be done doesn't stop the others."""
        refused: dict[bytes, Result] = {}
        calls: list[tuple[bytes, Call[Verdict]]] = []
        for each in wanted:
            try:
                change = await self.change(each.letter) if each.letter else {}
            except CantChange as error:
                refused[each.job] = Result(each.job, Ruling.REFUSED, str(error))
            else:
                calls.append((each.job, self.call(each.job, each.letter, change)))
        done = await bulk.rule(self._letters.link, calls) if calls else []
        results = refused | {result.job: result for result in done}
        return [results[each.job] for each in wanted]

    def call(self, job: bytes, letter: DeadLetter | None, change: Change) -> Call[Verdict]:
        """The script's call for one job; a job without a letter is for the script to judge."""
        return requeue(
            self._letters.keys,
            job,
            by=self._how.by,
            keep_schedule=self._how.keep_schedule,
            changes=change,
            entry=letter.entry if letter else b"",
        )

    def check(self, letter: DeadLetter, fields: Fields, change: Change) -> None:
        """Raises CantChange, naming the field, for what would be buried again as invalid."""
        strict = letter.reason == "invalid" and not self._how.even_invalid
        if strict and (why := flaws.unmended(letter.error, fields, change)):
            raise CantChange(why)
        if change and (why := self._flaw(letter, fields, change)):
            raise CantChange(why)

    async def change(self, letter: DeadLetter) -> Change:
        """What is changed in this one. Raises CantChange, with the remedy."""
        if not self._how.steps:
            self._check_with_remedy(letter, (), {})
            return {}
        fields = await self._letters.fields(letter)
        change = self._how.steps.changes(fields, own_fields(self._letters.type_field))
        self._check_with_remedy(letter, fields, change)
        return change

    def _check_with_remedy(self, letter: DeadLetter, fields: Fields, change: Change) -> None:
        try:
            self.check(letter, fields, change)
        except CantChange as error:
            raise CantChange(f"{error}. {_REMEDY}") from None

    def _flaw(self, letter: DeadLetter, fields: Fields, change: Change) -> str:
        return flaws.flaw(
            letter.job,
            fields,
            change,
            stream=self._letters.keys.stream_name,
            type_field=self._letters.type_field,
            keep_schedule=self._how.keep_schedule,
        )
