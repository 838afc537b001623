"""`retraced groups`: list, create, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.listing import Row, show
from retraced.cli.lookup import found_group, found_stream
from retraced.cli.session import Session
from retraced.cli.summary import GROUP_COLUMNS, group_data, group_shown, plural
from retraced.cli.values import Duration
from retraced.errors import ProtocolMismatch, Refused
from retraced.keys import GROUPS, Keys, group_member

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.groups import GroupSummary
    from retraced.store.writes import Joined

_COLUMNS = ("stream", "group", *GROUP_COLUMNS)

_JSON = """
JSON, for each group: id, stream, exists (in the stream), unread, unread_exact (false: at least so
many), held, ready, delayed, dead, workers, paused, last_delivered_id, visibility_timeout_ms.
"""


@click.group(epilog="Example: retraced groups create emails --group mail")
def groups() -> None:
    """List, create and delete the groups that work a stream."""


@groups.command(name="list", epilog=f"\b\nExample:\n  retraced groups list emails\n{_JSON}")
@click.argument("stream", required=False)
@click.pass_obj
def list_(session: Session, stream: str | None) -> None:
    """List the groups of STREAM, or of all streams, with how many jobs are where."""

    async def work(link: Link) -> list[GroupSummary]:
        return await _listed(link, stream)

    rows = [_row(group) for group in session.run(work)]
    show(session, rows, _COLUMNS, empty=_no_groups(stream or "STREAM"))


@groups.command(
    epilog="""
\b
Examples:
  retraced groups create emails --group mail
  retraced groups create emails --group audit --from now
"""
)
@click.argument("stream")
@click.option("--group", required=True, metavar="G", help="Letters, digits and _ . -")
@click.option(
    "--from",
    "start",
    default="start",
    show_default=True,
    metavar="start|now|ID|TIME",
    help="Where it begins; after an ID, at a TIME.",
)
@click.option(
    "--visibility-timeout", type=Duration(), metavar="D", help="How long a lease lasts. Default 30s"
)
@click.option(
    "--delete-settled",
    is_flag=True,
    help="Agree that settled entries of a stream that others use, too, are deleted.",
)
@click.pass_obj
def create(
    session: Session,
    stream: str,
    *,
    group: str,
    start: str,
    visibility_timeout: int | None,
    delete_settled: bool,
) -> None:
    """Make a group on STREAM, best before its first job.

    Every group gets each job that is added from then on. A group that exists stays as it is.
    """
    from retraced.cli.consume import start_id

    keys, place = Keys.of(stream, group), start_id(start)

    async def work(link: Link) -> Joined:
        return await _created(
            link, keys, place, visibility_ms=visibility_timeout, agreed=delete_settled
        )

    joined = session.run(work)
    known = joined.created or joined.restored
    if not known:
        click.echo(f"group {group} of {stream} exists already: nothing was changed", err=True)
    data = {
        "id": group,
        "stream": stream,
        "created": known,
        "visibility_timeout_ms": joined.visibility_ms,
    }
    show(session, [Row(data, {"stream": stream, "group": group, **data})], _CREATED)


_CREATED = ("stream", "group", "created")


@groups.command(
    epilog="""
\b
Examples:
  retraced groups delete emails --group audit
  retraced groups delete emails --group audit --yes
"""
)
@click.argument("stream")
@click.option("--group", required=True, metavar="G", help="The group to delete.")
@click.option("--yes", is_flag=True, help="Delete it, with all that it has.")
@click.pass_obj
def delete(session: Session, stream: str, *, group: str, yes: bool) -> None:
    """Delete a group of STREAM with all it has.

    Its jobs, dead letters and stories are lost; without --yes it only shows what that would be.
    Other groups keep theirs. Entries of the stream that only this group needed are deleted too:
    all of them, if it is the only group.
    """

    async def work(link: Link) -> GroupSummary:
        from retraced.store.reads.groups import summary

        keys, facts = await found_group(link, stream, group)
        lost = await summary(link, keys, facts)
        if yes:
            await _disbanded(link, keys)
        return lost

    lost = session.run(work)
    show(session, [_row(lost)], _COLUMNS)
    if lost.workers:
        click.echo(
            f"careful: {plural(lost.workers, 'worker')} of this group gave a sign of life and "
            "would make it again; stop them first",
            err=True,
        )
    if not yes:
        raise Refused(
            f"deleting group {group!r} of {stream!r} loses {loss(lost)}. Nothing was deleted; "
            "say --yes to delete it"
        )
    click.echo(f"deleted group {group} of {stream}; lost: {loss(lost)}", err=True)


def loss(group: GroupSummary) -> str:
    """What deleting it would lose, in words."""
    counts = (
        (group.unread.value, "unread"),
        (group.held, "held"),
        (group.ready, "ready"),
        (group.delayed, "delayed"),
        (group.dead, "dead"),
    )
    return ", ".join(
        f"{count:,}{'+' if word == 'unread' and not group.unread.exact else ''} {word}"
        for count, word in counts
    )


async def _listed(link: Link, stream: str | None) -> list[GroupSummary]:
    from retraced.store.reads.groups import groups_of, known_groups, summaries

    if stream is not None:
        ours, _ = await groups_of(link, await found_stream(link, stream))
        return await summaries(link, stream, ours)
    by_stream: dict[str, list[str]] = {}
    for name, group in await known_groups(link):
        by_stream.setdefault(name, []).append(group)
    found = []
    for name, names in by_stream.items():
        found += await summaries(link, name, names)
    return found


async def _created(
    link: Link, keys: Keys, start: bytes, *, visibility_ms: int | None, agreed: bool
) -> Joined:
    from retraced.store.arrivals import register
    from retraced.store.writes import PROTOCOL, join
    from retraced.worker import guard

    if not agreed:
        await guard.check(link, keys, start=start)
    joined = await link.run(join(keys, visibility_ms=visibility_ms, start=start))
    if joined.protocol > PROTOCOL:
        raise ProtocolMismatch(
            f"group {keys.group_name!r} of {keys.stream_name!r} speaks protocol "
            f"{joined.protocol}, this release knows up to {PROTOCOL}: upgrade it"
        )
    await register(link, keys)
    return joined


async def _disbanded(link: Link, keys: Keys) -> None:
    from retraced.store.writes import disband

    while (await link.run(disband(keys))).more:
        pass
    await link.call("SREM", GROUPS, group_member(keys.stream_name, keys.group_name))


def _row(group: GroupSummary) -> Row:
    name, stream = group.group.decode(), group.stream.decode()
    return Row(
        {"id": name, "stream": stream, **group_data(group)},
        {"stream": stream, "group": name, **group_shown(group)},
    )


def _no_groups(stream: str) -> str:
    from retraced.cli.remedy import command, consume

    return (
        f"there are no groups yet. `{command('groups', 'create', stream, '--group', 'G')}` makes "
        f"one, or `{consume(stream, 'G')}` at its start"
    )
