"""`retraced groups set`: changes the facts of a group, or what its stream retains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retraced.cli.groups.facts import FACTS
from retraced.cli.listing import Row, for_people, show
from retraced.cli.lookup import found_group, person
from retraced.cli.options import group_option
from retraced.cli.remedy import command
from retraced.cli.session import Session
from retraced.cli.values import BackoffSpec, Duration, RetentionSpec, Size
from retraced.durations import format_ms
from retraced.errors import Refused, UsageError
from retraced.keys import Keys
from retraced.retention import Retention

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.groups import GroupSummary

F = TypeVar("F", bound=Callable[..., Any])

_NONE = "none"
_COLUMNS = ("fact", "value", "acts")

EXAMPLES = """
\b
Examples:
  retraced groups set emails --group mail --max-attempts 3 --backoff fixed:30s
  retraced groups set emails --group mail --dlq-age 30d --events-bytes 16MiB
  retraced groups set emails --group mail --timeout none
  retraced groups set emails --group mail --retain 7d

An entry's own field comes first, then its handler's option, then these, then a worker's flag;
`none` takes a fact away. Dead letters are never removed unless one of their caps is set; what a cap
removes is counted, and an event tells of it. --retain is the stream's, for all its groups.

JSON: id (the group), stream, version (of the facts), facts (those that were set, by name; null:
taken away), retain (if it was set).
"""


class OrNone(click.ParamType[str]):
    """What another type takes, as the group keeps it, or `none` (an empty text)."""

    def __init__(self, kind: click.ParamType[Any]) -> None:
        self._kind = kind
        self.name = f"{kind.name}|{_NONE}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if str(value).lower() in ("", _NONE):
            return ""
        kept = self._kind.convert(value, param, ctx)
        return str(kept) if isinstance(kept, int) else str(value)


def _fact(flag: str, kind: click.ParamType[Any], told: str) -> Callable[[F], F]:
    metavar = {"duration": "D", "size": "SIZE", "spec": "SPEC"}.get(kind.name, "N")
    return click.option(flag, type=OrNone(kind), metavar=f"{metavar}|{_NONE}", help=told)


@click.command(name="set", epilog=EXAMPLES)
@click.argument("stream")
@group_option("The group to change.")
@_fact("--max-attempts", click.IntRange(1, 1000), "How often a job is tried before it is dead.")
@_fact("--backoff", BackoffSpec(), "How long a failed job waits, as exponential:1s..5m.")
@_fact("--timeout", Duration(), "For one attempt.")
@click.option(
    "--visibility-timeout",
    type=Duration(),
    metavar="D",
    help="How long a lease lasts; at least 3s.",
)
@_fact("--events-max", click.IntRange(1), "Keep at most so many entries of events.")
@_fact("--events-bytes", Size(), "Keep at most so much of them.")
@_fact("--events-age", Duration(), "Keep them for so long.")
@_fact("--finished-max", click.IntRange(0), "Keep at most so many records of ended jobs.")
@_fact("--finished-age", Duration(), "Keep them for so long.")
@_fact("--dlq-max", click.IntRange(0), "Keep at most so many dead letters.")
@_fact("--dlq-age", Duration(), "Keep them for so long.")
@_fact("--dlq-bytes", Size(), "Keep at most so much of them.")
@click.option(
    "--retain",
    type=RetentionSpec(or_none=True),
    metavar=f"SPEC|{_NONE}",
    help="What the stream keeps of settled entries: 7d, 100000, all.",
)
@click.option("--yes", is_flag=True, help="Agree to what may run jobs twice.")
@click.pass_obj
def set_(session: Session, /, stream: str, *, group: str, yes: bool, **given: Any) -> None:
    """Set facts of a group of STREAM.

    Attempts, backoff, timeouts, caps, retention. Workers need no restart: they learn it within
    1.5 s.
    """
    facts = _facts(given)
    retention: Retention | str | None = given["retain"]
    if not facts and retention is None:
        raise UsageError(
            "say what to set, as --max-attempts 3; "
            f"`{command('groups', 'show', stream, '--group', group)}` shows what is set"
        )

    by = person()

    async def work(link: Link) -> tuple[int | None, str | None]:
        from retraced.store.reads.groups import summary
        from retraced.store.writes import retain, set_facts

        keys, about = await found_group(link, stream, group)
        if "visibility_ms" in facts and not yes:
            _check_leases(await summary(link, keys, about), int(facts["visibility_ms"]), keys)
        kept = None
        if retention is not None:
            call = retain(keys, retention if isinstance(retention, Retention) else None, by=by)
            kept = await link.run(call)
        return await link.run(set_facts(keys, facts, by=by)) if facts else None, kept

    version, kept = session.run(work)
    _print(session, stream, group, facts=facts, version=version, kept=kept)


def _facts(given: Mapping[str, Any]) -> dict[str, str]:
    """By the names of the group's fields; an empty value takes a fact away."""
    names = {"visibility_timeout": "visibility_ms", "timeout": "timeout_ms"}
    found: dict[str, str] = {}
    for option, value in given.items():
        name = names.get(option, option)
        name = f"{name}_ms" if name.endswith("_age") else name
        if value is not None and name in FACTS:
            found[name] = str(value)
    return found


def _check_leases(group: GroupSummary, wanted_ms: int, keys: Keys) -> None:
    """Raises UsageError or Refused: a lease that ends early takes jobs from workers that live."""
    from retraced.store.writes import LEAST_VISIBILITY_MS

    if wanted_ms < LEAST_VISIBILITY_MS:
        raise UsageError("a visibility timeout is at least 3s, so that renewals fit in")
    now_ms = group.state.whole("visibility_ms") or 0
    renewed_ms = now_ms // 3
    if not group.workers or not group.counts.held or wanted_ms > renewed_ms:
        return
    stream, name = keys.stream_name, keys.group_name
    raise Refused(
        f"workers renew their leases every {format_ms(renewed_ms)} now, so one of "
        f"{format_ms(wanted_ms)} would take jobs from workers that run them, and they would run "
        f"twice. Pause the group (`{command('pause', stream, '--group', name)}`), set it, and "
        f"resume {format_ms(renewed_ms)} later; or say --yes"
    )


def _print(
    session: Session,
    stream: str,
    group: str,
    *,
    facts: Mapping[str, str],
    version: int | None,
    kept: str | None,
) -> None:
    data: dict[str, Any] = {"id": group, "stream": stream, "version": version}
    data["facts"] = {name: value or None for name, value in facts.items()}
    if kept is not None:
        data["retain"] = kept or None
    shown = [
        {"fact": FACTS[name].label, "value": FACTS[name].spelled(value), "acts": FACTS[name].acts}
        for name, value in facts.items()
    ]
    if kept is not None:
        acts = "for what is settled from now on" if kept else "at the workers' next sweeps"
        shown.append({"fact": "the stream retains", "value": kept or "nothing", "acts": acts})
    rows = [Row(data if place == 0 else None, row) for place, row in enumerate(shown)]
    show(session, rows, _COLUMNS, flexible="acts" if for_people(session) else None)
