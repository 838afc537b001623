"""What came of acting on many jobs, told in a summary, a table or lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from retraced.cli.asked import Asked, Verb
from retraced.cli.listing import Row, for_people, show
from retraced.cli.output import Format, default_format
from retraced.cli.session import Session
from retraced.cli.summary import plural
from retraced.errors import NotFound, Refused
from retraced.store.writes import Ruling

SHOWN = 10


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
class Outcome:
    """What came of all. `results` are kept when jobs were named, else the first `not_done`.

    After a dry run only `would` and `examples` say something.
    """

    jobs: int = 0
    done: int = 0
    refused: int = 0
    missing: int = 0
    would: int | None = None
    of: int | None = None
    results: list[Result] = field(default_factory=list)
    not_done: list[Result] = field(default_factory=list)
    examples: list[bytes] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """How many results there are."""
        return self.done + self.refused + self.missing

    def take(self, jobs: int, results: Sequence[Result], *, keep: bool) -> None:
        """Counts what came of so many jobs; a job has a result for each group that was asked."""
        self.jobs += jobs
        for each in results:
            if each.aside:
                continue
            self.done += each.ruling is Ruling.OK
            self.refused += each.ruling is Ruling.REFUSED
            self.missing += each.ruling is Ruling.MISSING
            if each.ruling is not Ruling.OK and len(self.not_done) < SHOWN:
                self.not_done.append(each)
        if keep:
            self.results += results


def report(session: Session, outcome: Outcome, *, asked: Asked, verb: Verb, where: str) -> None:
    """Prints what came of it. `where` reads `in group mail of emails`.

    Raises Refused when jobs were refused, NotFound when named ones are missing.
    """
    if outcome.would is not None:
        _report_count(session, outcome, verb=verb, where=where)
        return
    if asked.ids:
        if form_of(session) not in (Format.JSONL, Format.ID):
            rows = [result_row(each, verb) for each in outcome.results]
            show(session, rows, _columns(outcome.results), flexible="why")
    else:
        _report_bulk(session, outcome, verb=verb, where=where)
    check(outcome, asked=asked, verb=verb)


def check(outcome: Outcome, *, asked: Asked, verb: Verb) -> None:
    """Raises Refused or NotFound when jobs that should have been acted on weren't."""
    for ruling, count in ((Ruling.REFUSED, outcome.refused), (Ruling.MISSING, outcome.missing)):
        if not count or (ruling is Ruling.MISSING and not asked.ids):
            continue
        first = next((each for each in outcome.not_done if each.ruling is ruling), None)
        told = f", first {first.job.decode()}: {first.why}" if first else ""
        among = "" if outcome.seen == 1 else f" of {outcome.seen:,}"
        text = f"{count:,}{among} {_noun(verb, outcome.seen)}"
        if ruling is Ruling.REFUSED:
            raise Refused(f"{text} refused{told}")
        raise NotFound(f"{text} not found{told}")


def result_row(result: Result, verb: Verb) -> Row:
    """One result, for people and for programs."""
    word = _word(result, verb)
    data: dict[str, Any] = {"id": result.job, "result": word, "why": result.why}
    if result.group:
        data["group"] = result.group
    return Row(data, {**data, "job": result.job})


def _report_count(session: Session, outcome: Outcome, *, verb: Verb, where: str) -> None:
    if not for_people(session):
        data = {"would": verb.do, "count": outcome.would, "of": outcome.of}
        session.emit([{**data, "examples": outcome.examples}], ["count"])
    elif not outcome.would:
        click.echo(f"{_nothing(outcome, verb, where)}: nothing to do", err=True)
    else:
        more = "for example" if outcome.would > len(outcome.examples) else "these"
        click.echo(f"{would(outcome, verb)} {where}, {more}:")
        for job in outcome.examples:
            click.echo(f"  {job.decode()}")


def _report_bulk(session: Session, outcome: Outcome, *, verb: Verb, where: str) -> None:
    form = form_of(session)
    if form is Format.JSON:
        counts = {"done": outcome.done, "refused": outcome.refused, "missing": outcome.missing}
        not_done = [result_row(each, verb).data for each in outcome.not_done]
        session.emit([{**counts, "not_done": not_done}], ["done"])
    elif form is Format.TABLE:
        if not outcome.seen:
            click.echo(f"{_nothing(outcome, verb, where)}: nothing to do", err=True)
            return
        click.echo(f"{summary(outcome, verb)} {where}")
        if outcome.not_done:
            rows = [result_row(each, verb) for each in outcome.not_done]
            show(session, rows, _columns(outcome.not_done), flexible="why")


def stream(session: Session, results: Sequence[Result], verb: Verb) -> None:
    """Programs that read lines get each result when it is there."""
    form = form_of(session)
    if form is Format.JSONL:
        session.emit([row.data for each in results if (row := result_row(each, verb)).data], ["id"])
    elif form is Format.ID:
        session.emit([{"id": each.job} for each in results if each.ruling is Ruling.OK], ["id"])


def summary(outcome: Outcome, verb: Verb) -> str:
    told = f"{verb.done} {plural(outcome.done, verb.noun)}"
    if outcome.refused:
        told += f", {outcome.refused:,} refused"
    if outcome.missing:
        told += f", {outcome.missing:,} gone meanwhile"
    return told


def would(outcome: Outcome, verb: Verb) -> str:
    count = outcome.would or 0
    among = f" of {outcome.of:,}" if outcome.of is not None and outcome.of > count else ""
    return f"would {verb.do} {count:,}{among} {_noun(verb, outcome.of or count)}"


def _nothing(outcome: Outcome, verb: Verb, where: str) -> str:
    kind = "matching " if outcome.of else ""
    return f"no {kind}{verb.noun}s {where}"


def _noun(verb: Verb, count: int) -> str:
    return verb.noun if count == 1 else f"{verb.noun}s"


def _word(result: Result, verb: Verb) -> str:
    return verb.done if result.ruling is Ruling.OK else result.ruling.value.lower()


def _columns(results: Sequence[Result]) -> tuple[str, ...]:
    groups = ("group",) if any(each.group for each in results) else ()
    return ("job", *groups, "result", "why")


def form_of(session: Session) -> Format:
    return session.format or default_format(sys.stdout)
