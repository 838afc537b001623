"""`retraced replay`: runs what a stream has retained once more, for one group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from retraced.cli.asked import Asked, Verb, bulk_json, bulk_options
from retraced.cli.bulk import Candidate, Each, act_on, named
from retraced.cli.bulkresult import BulkResult, report
from retraced.cli.listing import when
from retraced.cli.lookup import found_group
from retraced.cli.options import group_option
from retraced.cli.prose import note
from retraced.cli.remedy import command, where
from retraced.cli.session import Session
from retraced.cli.values import Moment, Point
from retraced.errors import NotFound, Refused, UsageError
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.store.connection import Link

_VERB = Verb("replay", "replayed", "settled job")

EXAMPLES = """
\b
Examples:
  retraced replay emails --group mail --from 2h --to 1h --dry-run
  retraced replay emails --group mail --from 2h type=invoice --rate 50/s --yes
  retraced replay emails --group mail 1795501170340-0

Without --yes it says how many it would replay, and does nothing (exit code 6). Each job runs with a
fresh budget and without its delay, run_at and expires; its story says who replayed it. Only what
the group has settled is replayed: what is queued, held, delayed or dead in it is left alone. Said
twice, it runs jobs twice. Interrupted or at its --limit, it says the command for those that are
left: --from and --to may be ids of jobs. Times are those at which jobs were added. FILTER knows
type, id, age, key, header.NAME and payload.PATH: what is settled has no state.

A stream has retained entries if a worker was started with --retain, or after `retraced groups set
STREAM --group G --retain 7d`.

""" + bulk_json(_VERB)


@click.command(epilog=EXAMPLES)
@click.argument("stream")
@group_option("The group that runs them again.")
@click.option(
    "--from", "start", type=Moment(or_id=True), metavar="T", help="Added at or after: TIME, 2h, ID."
)
@click.option(
    "--to", "end", type=Moment(or_id=True), metavar="T", help="Added at or before. Default: now."
)
@bulk_options(_VERB, ranged=True)
@click.pass_obj
def replay(
    session: Session,
    stream: str,
    *,
    group: str,
    start: Point | None,
    end: Point | None,
    asked: Asked,
) -> None:
    """Run jobs of STREAM that a group has settled once more, in that group alone.

    For a bug that is mended, or a group whose effects were lost. Other groups see nothing of it.
    """
    _check(asked, start, end)

    async def work(link: Link) -> BulkResult:
        from retraced.store.writes import replay as replay_call

        keys, _ = await found_group(link, stream, group)
        await _check_retention(link, keys)
        span = await _span(link, keys, start, end)
        act = Each(link, keys, replay_call, asked.by, probed=True)
        pages = _candidates(link, keys, asked, span)
        return await act_on(
            pages, act, session=session, asked=asked, verb=_VERB, behind=span.behind
        )

    report(session, session.run(work), asked=asked, verb=_VERB, where=where(stream, group))


@dataclass(frozen=True, slots=True)
class _Span:
    """The ids to look at, both included; `high` may be a bare time: all ids of its millisecond."""

    low: bytes
    high: bytes

    def behind(self, job: bytes | None) -> Mapping[str, str]:
        """The options that mean what comes behind a job, and nothing that has come since."""
        from retraced.keys import id_parts

        low = self.low
        if job is not None:
            ms, seq = id_parts(job)
            low = b"%d-%d" % (ms, seq + 1)
        return {"--from": low.decode(), "--to": self.high.decode()}


async def _span(link: Link, keys: Keys, start: Point | None, end: Point | None) -> _Span:
    """What was asked for, as far as the group has been given it."""
    from retraced.keys import id_parts
    from retraced.store.reads.groups import stream_facts
    from retraced.store.reads.replies import redis_now

    facts, now_ms = await stream_facts(link, keys.stream), await redis_now(link)
    low = b"0-0" if start is None else start.first_id(now_ms)
    given = facts.positions.get(keys.group, b"0-0")
    if end is None:
        return _Span(low, given)
    high = end.last_id(now_ms)
    beyond = id_parts(high) >= id_parts(given)
    if end.seq is None:  # as much as the last id of its millisecond
        beyond = id_parts(high)[0] >= id_parts(given)[0]
    return _Span(low, given if beyond else high)


def _candidates(
    link: Link, keys: Keys, asked: Asked, span: _Span
) -> AsyncIterator[Sequence[Candidate]]:
    from retraced.store.reads.retained import retained

    if asked.ids:
        return named(asked.ids)
    return retained(link, keys, low=span.low, high=span.high, wanted=asked.filter)


def _check(asked: Asked, start: Point | None, end: Point | None) -> None:
    from retraced.store.reads.retained import FIELDS

    if asked.ids and (start or end):
        raise UsageError("name the jobs, or say --from and --to; not both")
    if not asked.ids and start is None:
        raise UsageError("say from when on, as --from 2h, or name the jobs by their ids")
    if unknown := sorted(asked.filter.fields - FIELDS):
        raise UsageError(
            f"{', '.join(unknown)}: not known of a settled job. Describe them by "
            f"{', '.join(sorted(FIELDS))}"
        )


async def _check_retention(link: Link, keys: Keys) -> None:
    """Raises Refused when the stream keeps nothing, NotFound when nothing is in it."""
    from retraced.entry import added_ms
    from retraced.store.reads.retained import kept_span

    kept = await kept_span(link, keys)
    stream, group = keys.stream_name, keys.group_name
    if not kept.spec:
        keep = command("groups", "set", stream, "--group", group, "--retain", "7d")
        raise Refused(
            f"{stream!r} retains nothing: an entry goes when every group has settled it, so there "
            f"is nothing to replay. For what comes from now on: `{keep}`"
        )
    if kept.oldest is None:
        raise NotFound(f"{stream!r} retains {kept.spec}, and has no entries yet")
    oldest_ms = added_ms(kept.oldest)
    if oldest_ms is not None:
        since = f"the oldest entry is of {when(oldest_ms)} UTC"
        note(f"{stream} retains {kept.spec}; {since}")
