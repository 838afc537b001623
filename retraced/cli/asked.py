"""What a command that acts on many jobs was asked: which ones, how fast, and whether for good."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from retraced.cli.commandline import CommandLine
from retraced.errors import UsageError
from retraced.filter import JOB_ID, Filter

_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)/([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True)
class Verb:
    """The words for an act: `requeue`, `requeued`, and what it is done to: `dead letter`.

    `repeated`: what a second run does to jobs that the first one has acted on, if it isn't nothing.
    `requests`: it may be only asked for, and be done later. `always_asks`: named ids want --yes.
    """

    do: str
    done: str
    noun: str = "job"
    repeated: str = ""
    requests: bool = False
    always_asks: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Which jobs, by whom, and how. Either `ids`, or a filter, or all (`every`).

    `agreed`: it may be done, not only counted. `line`: as it was asked, to go on with.
    """

    by: str
    ids: tuple[bytes, ...]
    filter: Filter
    every: bool
    dry_run: bool
    agreed: bool
    rate_per_s: float | None
    limit: int | None
    line: CommandLine


class Rate(click.ParamType[float]):
    """Jobs in a time, such as 50/s, 3000/m or 100/h; as jobs a second."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        match = _RATE.fullmatch(str(value))
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} isn't a rate; write 50/s, 3000/m or 100/h", param, ctx)
        return float(match[1]) / _SECONDS[match[2]]


def bulk_options(
    verb: Verb, *, ranged: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds `[ID|FILTER]...` and the options of bulk work to a command, as its one `asked`.

    Stands under the other arguments of the command, so that the words come last. `ranged`: the
    command has options that say which jobs, so that no words mean all of those.
    """

    def decorate(work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def command(*args: Any, **given: Any) -> Any:
            options = {name: given.pop(name) for name in _OPTIONS if name in given}
            if ranged:
                options["every"] = not options["words"]
            return work(*args, asked=_asked(verb, **options), **given)

        decorated: Callable[..., Any] = command
        for option in reversed(_options(verb, ranged)):
            decorated = option(decorated)
        return decorated

    return decorate


def split_words(words: Sequence[str]) -> tuple[list[bytes], Filter]:
    """The ids among the words of a command line, and the FILTER made of the others."""
    from retraced.cli.lookup import job_id

    ids = [job_id(word) for word in words if JOB_ID.fullmatch(word)]
    return ids, Filter.parse([word for word in words if not JOB_ID.fullmatch(word)])


def bulk_json(verb: Verb, *, grouped: bool = False) -> str:
    """What a command of bulk work prints for programs, for its help."""
    asked = "requested, unsure, " if verb.requests else ""
    keys = "id, group" if grouped else "id"
    return f"""
JSON, for each job: {keys}, result ({verb.done}, {asked}refused, missing), why. With -o json for
jobs that weren't named: done, {asked}refused, missing, not_done (the first ten). With --dry-run:
would, count, of, examples.
"""


_OPTIONS = ("words", "every", "dry_run", "rate", "yes", "limit")


def _options(verb: Verb, ranged: bool) -> list[Callable[[Callable[..., Any]], Callable[..., Any]]]:
    every = click.option(
        "--all", "every", is_flag=True, help=f"All {verb.noun}s that there are now."
    )
    return [
        click.argument("words", metavar="[ID|FILTER]...", nargs=-1),
        *([] if ranged else [every]),
        click.option("--dry-run", is_flag=True, help="Only count, and show some."),
        click.option("--rate", type=Rate(), metavar="N/s", help="Not faster than this: 50/s."),
        click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many."),
        click.option("--yes", is_flag=True, help=_wants(verb, ranged)),
    ]


def _wants(verb: Verb, ranged: bool) -> str:
    if verb.always_asks:
        return "Agree; nothing is done without it."
    return "Agree; all but named ones want it." if ranged else "Agree; a FILTER and --all want it."


def _asked(
    verb: Verb,
    *,
    words: Sequence[str],
    every: bool,
    dry_run: bool,
    rate: float | None,
    yes: bool,
    limit: int | None,
) -> Asked:
    from retraced.cli.lookup import person

    ids, wanted = split_words(words)
    _check_which(verb, named=bool(ids), wanted=wanted, every=every)
    return Asked(
        by=person(),
        ids=tuple(dict.fromkeys(ids)),
        filter=wanted,
        every=every,
        dry_run=dry_run,
        agreed=not dry_run and (yes or (bool(ids) and not verb.always_asks)),
        rate_per_s=rate,
        limit=limit,
        line=CommandLine.of(click.get_current_context()),
    )


def _check_which(verb: Verb, *, named: bool, wanted: Filter, every: bool) -> None:
    if named and (wanted or every):
        raise UsageError(
            f"name the {verb.noun}s to {verb.do}, or describe them by FILTER or --all; not both"
        )
    if not (named or wanted or every):
        raise UsageError(
            f"which {verb.noun}s? Name their ids, or describe them by a FILTER such as type=mail "
            "or error:refused, or say --all; --dry-run only counts"
        )
