"""What came of acting on many jobs, told in a summary, a table or lines for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from retraced.cli.asked import Asked, Verb
from retraced.cli.listing import Row, for_people, show
from retraced.cli.output import Format
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.cli.words import plural
from retraced.errors import NotFound, Refused
from retraced.store.writes import Ruling

SHOWN = 10
BY_LINE = (Format.JSONL, Format.ID)  # each result is printed as soon as it is there
_NOT_DONE = (Ruling.REFUSED, Ruling.MISSING)
_WORDS = {
    Ruling.REQUESTED: "requested",
    Ruling.UNSURE: "unsure",
    Ruling.REFUSED: "refused",
    Ruling.MISSING: "gone meanwhile",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one job; `why` may be empty when it was done.

    `group`: where several were asked. `aside`: not done here, but in another group it was.
    """

    job: bytes
    ruling: Ruling
    why: str
    group: str = ""
    aside: bool = False


@dataclass(slots=True)
class BulkResult:
    """What came of all. `results` are kept when jobs were named, else the first `not_done`.

    After a dry run only `would` and `examples` say something. `apart`: how many were counted apart
    from these, and told already.
    """

    jobs: int = 0
    counts: Counter[Ruling] = field(default_factory=Counter)
    would: int | None = None
    of: int | None = None
    results: list[Result] = field(default_factory=list)
    not_done: list[Result] = field(default_factory=list)
    examples: list[bytes] = field(default_factory=list)
    apart: int = 0

    @property
    def seen(self) -> int:
        """How many results there are."""
        return self.counts.total()

    def take(self, jobs: int, results: Sequence[Result], *, keep: bool) -> None:
        """Counts what came of so many jobs; a job has a result for each group that was asked."""
        self.jobs += jobs
        for each in results:
            if each.aside:
                continue
            self.counts[each.ruling] += 1
            if each.ruling in _NOT_DONE and len(self.not_done) < SHOWN:
                self.not_done.append(each)
        if keep:
            self.results += results


def report(session: Session, found: BulkResult, *, asked: Asked, verb: Verb, where: str) -> None:
    """Prints what came of it. `where` reads `in group mail of emails`.

    Raises Refused when jobs were refused, NotFound when named ones are missing.
    """
    if found.would is not None:
        _report_count(session, found, verb=verb, where=where)
        return
    if not asked.ids:
        _report_bulk(session, found, verb=verb, where=where)
    elif session.form not in BY_LINE:
        rows = [result_row(each, verb) for each in found.results]
        show(session, rows, _columns(found.results), below=("why",))
    _check(found, asked=asked, verb=verb)


def print_results(session: Session, results: Sequence[Result], verb: Verb) -> None:
    """Programs that read lines get each result when it is there."""
    if session.form is Format.JSONL:
        session.emit([row.data for each in results if (row := result_row(each, verb)).data], ["id"])
    elif session.form is Format.ID:
        done = [{"id": each.job} for each in results if each.ruling not in _NOT_DONE]
        session.emit(done, ["id"])


def result_row(result: Result, verb: Verb) -> Row:
    """One result, for people and for programs."""
    word = verb.done if result.ruling is Ruling.OK else result.ruling.value.lower()
    data: dict[str, Any] = {"id": result.job, "result": word, "why": result.why}
    if result.group:
        data["group"] = result.group
    return Row(data, {**data, "job": result.job})


def summary(found: BulkResult, verb: Verb) -> str:
    """`cancelled 3 jobs, 2 requested, 1 refused`, or `cancel requested of 2 jobs`."""
    counts = found.counts
    told, words = f"{verb.done} {plural(counts[Ruling.OK], verb.noun)}", dict(_WORDS)
    if counts[Ruling.REQUESTED] and not counts[Ruling.OK]:
        told = f"{verb.do} requested of {plural(counts[Ruling.REQUESTED], verb.noun)}"
        del words[Ruling.REQUESTED]
    return told + "".join(
        f", {counts[ruling]:,} {word}" for ruling, word in words.items() if counts[ruling]
    )


def would(found: BulkResult, verb: Verb) -> str:
    """`would requeue 38 of 100 dead letters`."""
    count = found.would or 0
    among = f" of {found.of:,}" if found.of is not None and found.of > count else ""
    return f"would {verb.do} {count:,}{among} {_noun(verb, found.of or count)}"


def _check(found: BulkResult, *, asked: Asked, verb: Verb) -> None:
    """Raises Refused or NotFound when jobs that should have been acted on weren't."""
    for ruling in _NOT_DONE:
        count = found.counts[ruling]
        if not count or (ruling is Ruling.MISSING and not asked.ids):
            continue
        first = next((each for each in found.not_done if each.ruling is ruling), None)
        told = f", first {first.job.decode()}: {first.why}" if first else ""
        among = "" if found.seen == 1 else f" of {found.seen:,}"
        text = f"{count:,}{among} {_noun(verb, found.seen)}"
        if ruling is Ruling.REFUSED:
            raise Refused(f"{text} refused{told}")
        raise NotFound(f"{text} not found{told}")


def _report_count(session: Session, found: BulkResult, *, verb: Verb, where: str) -> None:
    if not for_people(session):
        data = {"would": verb.do, "count": found.would, "of": found.of}
        session.emit([{**data, "examples": found.examples}], ["count"])
    elif not found.would:
        note(f"{_nothing(found, verb, where)}: nothing to do")
    else:
        more = "for example" if found.would > len(found.examples) else "these"
        click.echo(f"{would(found, verb)} {where}, {more}:")
        for job in found.examples:
            click.echo(f"  {job.decode()}")


def _report_bulk(session: Session, found: BulkResult, *, verb: Verb, where: str) -> None:
    if session.form is Format.JSON:
        session.emit([_counted(found, verb)], ["done"])
    elif session.form is Format.TABLE:
        if not found.seen:
            note(f"{_nothing(found, verb, where)}: nothing to do")
            return
        click.echo(f"{summary(found, verb)} {where}")
        if found.not_done:
            rows = [result_row(each, verb) for each in found.not_done]
            show(session, rows, _columns(found.not_done), below=("why",))


def _counted(found: BulkResult, verb: Verb) -> dict[str, Any]:
    later = (Ruling.REQUESTED, Ruling.UNSURE)
    told = {
        "done" if ruling is Ruling.OK else ruling.value.lower(): found.counts[ruling]
        for ruling in Ruling
        if verb.requests or ruling not in later
    }
    return {**told, "not_done": [result_row(each, verb).data for each in found.not_done]}


def _nothing(found: BulkResult, verb: Verb, where: str) -> str:
    kind = "other " if found.apart else "matching " if found.of else ""
    return f"no {kind}{verb.noun}s {where}"


def _noun(verb: Verb, count: int) -> str:
    return verb.noun if count == 1 else f"{verb.noun}s"


def _columns(results: Sequence[Result]) -> tuple[str, ...]:
    groups = ("group",) if any(each.group for each in results) else ()
    return ("job", *groups, "result", "why")
