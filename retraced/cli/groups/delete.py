"""`retraced groups delete`: shows what would be lost, and with --yes deletes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.groups.list import COLUMNS, row
from retraced.cli.listing import show
from retraced.cli.lookup import found_group
from retraced.cli.options import group_option
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.cli.words import plural
from retraced.errors import Refused
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.reads.groups import GroupSummary


@click.command(
    epilog="""
\b
Examples:
  retraced groups delete emails --group audit
  retraced groups delete emails --group audit --yes

JSON: what is lost, with the keys of `groups list`.
"""
)
@click.argument("stream")
@group_option("The group to delete.")
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
    show(session, [row(lost)], COLUMNS)
    if lost.workers:
        note(
            f"careful: {plural(lost.workers, 'worker')} of this group gave a sign of life and "
            "would make it again; stop them first"
        )
    if not yes:
        raise Refused(
            f"deleting group {group!r} of {stream!r} loses {loss(lost)}. Nothing was deleted; "
            "say --yes to delete it"
        )
    note(f"deleted group {group} of {stream}; lost: {loss(lost)}")


def loss(group: GroupSummary) -> str:
    """What deleting it would lose, in words."""
    counts = (
        (group.unread.value, "unread"),
        (group.counts.held, "held"),
        (group.counts.ready, "ready"),
        (group.counts.delayed, "delayed"),
        (group.counts.dead, "dead"),
    )
    return ", ".join(
        f"{count:,}{'+' if word == 'unread' and not group.unread.exact else ''} {word}"
        for count, word in counts
    )


async def _disbanded(link: Link, keys: Keys) -> None:
    from retraced.store.arrivals import unregister
    from retraced.store.writes import disband

    while (await link.run(disband(keys))).more:
        pass
    await unregister(link, keys)
