"""`retraced replay`: runs what a stream has retained once more, for one group."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import click

from retraced.cli.bulk import Asked, Outcome, Result, Verb, act_on, bulk_options, report, rule
from retraced.cli.listing import when
from retraced.cli.lookup import found_group
from retraced.cli.remedy import command
from retraced.cli.session import Session
from retraced.cli.values import Moment, Point
from retraced.errors import NotFound, Refused, UsageError
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.retained import Retained

_VERB = Verb("replay", "replayed", "settled job")

EXAMPLES = """
\b
Examples:
  retraced replay emails --group mail --from 2h --to 1h --dry-run
  retraced replay emails --group mail --from 2h type=invoice --rate 50/s --yes
  retraced replay emails --group mail 1795501170340-0

Without --yes it says how many it would replay, and does nothing (exit code 6). Each job runs with a
fresh budget and without its delay, run_at and expires; its story says who replayed it. Only what
the group has settled is replayed: what is queued, held, delayed or dead in it is left alone. Times
are those at which jobs were added. FILTER knows type, id, age, key, header.NAME and payload.PATH:
what is settled has no state.

A stream has retained entries if a worker was started with --retain, or after `retraced groups set
STREAM --group G --retain 7d`.

JSON: would, count, of, examples (dry run); done, refused, missing, not_done (each: id, result,
why). With -o jsonl one line for each job: id, result, why.
"""


@click.command(epilog=EXAMPLES)
@click.argument("stream")
@click.option("--group", required=True, metavar="G", help="The group that runs them again.")
@click.option("--from", "start", type=Moment(), metavar="T", help="Added at or after: TIME or 2h.")
@click.option("--to", "end", type=Moment(), metavar="T", help="Added at or before. Default: now.")
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

    async def work(link: Link) -> Outcome:
        from retraced.store.reads.groups import stream_facts
        from retraced.store.reads.replies import redis_now
        from retraced.store.reads.retained import retained

        keys, _ = await found_group(link, stream, group)
        await _check_retention(link, keys)
        facts = await stream_facts(link, keys.stream)
        now_ms = await redis_now(link)
        position = facts.positions.get(keys.group, b"0-0")
        low = b"%d-0" % (start.at_ms(now_ms) if start else 0)
        high = _end(position, None if end is None else end.at_ms(now_ms))
        pages = (
            _named(asked.ids)
            if asked.ids
            else retained(link, keys, low=low, high=high, wanted=asked.filter)
        )
        acting = _Replaying(link, keys, asked.by)
        return await act_on(pages, acting.act, session=session, asked=asked, verb=_VERB)

    outcome = session.run(work)
    where = f"in group {group} of {stream}"
    report(session, outcome, asked=asked, verb=_VERB, where=where)


class _Replaying:
    def __init__(self, link: Link, keys: Keys, by: str) -> None:
        self._link = link
        self._keys = keys
        self._by = by

    async def act(self, jobs: Sequence[Retained]) -> list[Result]:
        """One call for each job."""
        from retraced.store.writes import replay as replaying

        calls = [(each.job, replaying(self._keys, each.job, by=self._by)) for each in jobs]
        return await rule(self._link, calls)


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
    from retraced.store.reads.retained import retention

    kept = await retention(link, keys)
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
        click.echo(f"{stream} retains {kept.spec}; {since}", err=True)


def _end(position: bytes, to_ms: int | None) -> bytes:
    """The last id to look at: what the group hasn't been given is not to be replayed."""
    from retraced.store.reads.replies import id_parts

    if to_ms is None or id_parts(position)[0] <= to_ms:
        return position
    return b"%d" % to_ms


async def _named(ids: Sequence[bytes]) -> AsyncIterator[Sequence[Retained]]:
    from retraced.store.reads.retained import Retained

    yield [Retained(job) for job in ids]
