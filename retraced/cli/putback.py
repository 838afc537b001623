"""Putting dead letters back, one call each, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retraced.cli.listing import first_line
from retraced.cli.remedy import command
from retraced.cli.summary import plural
from retraced.errors import NotFound, Refused
from retraced.keys import Keys
from retraced.store.connection import Link
from retraced.store.reads.dead import DeadLetter, dead_letter, dead_letters
from retraced.store.writes import Ruling, requeue

_PAGE = 50
_WORDS = {Ruling.OK: "requeued", Ruling.REFUSED: "refused", Ruling.MISSING: "missing"}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one job; `why` is empty when it was put back."""

    job: bytes
    ruling: Ruling
    why: str

    @property
    def word(self) -> str:
        return _WORDS[self.ruling]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, and how. `even_invalid`: what made them invalid has been mended."""

    by: str
    keep_schedule: bool
    even_invalid: bool


async def these(link: Link, keys: Keys, jobs: Sequence[bytes], asked: Asked) -> list[Result]:
    """Puts back the jobs named, in that order; one that can't be doesn't stop the others."""
    results = []
    for job in jobs:
        letter = await dead_letter(link, keys, job)
        results.append(await _put_back(link, keys, job, letter, asked=asked))
    return results


async def everything(link: Link, keys: Keys, asked: Asked) -> list[Result]:
    """Puts back what is dead now, newest first, page by page; what dies meanwhile is left."""
    results: list[Result] = []
    before: bytes | None = None
    while True:
        page = await dead_letters(link, keys, limit=_PAGE, before=before)
        results += [await _put_back(link, keys, each.job, each, asked=asked) for each in page]
        if len(page) < _PAGE:
            return results
        before = page[-1].entry


def check(results: Sequence[Result], stream: str) -> None:
    """Raises NotFound or Refused when one job wasn't put back; the worse of both."""
    missing = [each for each in results if each.ruling is Ruling.MISSING]
    refused = [each for each in results if each.ruling is Ruling.REFUSED]
    if refused:
        raise Refused(f"{_counted(refused, results)} refused, first {_first(refused)}")
    if missing:
        raise NotFound(
            f"{_counted(missing, results)} not found, first {_first(missing)}; "
            f"`{command('trace', stream, missing[0].job.decode())}` tells where it is"
        )


async def _put_back(
    link: Link, keys: Keys, job: bytes, letter: DeadLetter | None, *, asked: Asked
) -> Result:
    if letter is not None and letter.reason == "invalid" and not asked.even_invalid:
        return Result(job, Ruling.REFUSED, _still_invalid(letter))
    call = requeue(keys, job, by=asked.by, keep_schedule=asked.keep_schedule)
    verdict = await link.run(call)
    why = "" if verdict.ruling is Ruling.OK else verdict.reason or _WORDS[verdict.ruling]
    return Result(job, verdict.ruling, why)


def _still_invalid(letter: DeadLetter) -> str:
    return (
        f"it was buried as invalid and would be again: {first_line(letter.error)}. Add it anew, "
        "mended; or say --even-invalid if the handler or --max-payload was what you mended"
    )


def _counted(some: Sequence[Result], results: Sequence[Result]) -> str:
    if len(results) == 1:
        return "1 job"
    return f"{len(some):,} of {plural(len(results), 'job')}"


def _first(some: Sequence[Result]) -> str:
    return f"{some[0].job.decode()}: {some[0].why}"
