"""`retraced groups create`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from retraced.cli.listing import Row, show
from retraced.cli.options import group_option, joining_options
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.cli.values import Duration
from retraced.keys import Keys
from retraced.retention import Retention

if TYPE_CHECKING:
    from retraced.store.connection import Link
    from retraced.store.scripts import Call
    from retraced.store.writes import Joined

_COLUMNS = ("stream", "group", "created")


@click.command(
    epilog="""
\b
Examples:
  retraced groups create emails --group mail
  retraced groups create emails --group audit --from now

JSON: id (the group), stream, created (false: it was there), visibility_timeout_ms.
"""
)
@click.argument("stream")
@group_option("Letters, digits and _ . -")
@joining_options
@click.option(
    "--visibility-timeout", type=Duration(), metavar="D", help="How long a lease lasts. Default 30s"
)
@click.pass_obj
def create(
    session: Session,
    stream: str,
    *,
    group: str,
    start: bytes,
    visibility_timeout: int | None,
    delete_settled: bool,
    retain: Retention | None,
) -> None:
    """Make a group on STREAM, best before its first job.

    Every group gets each job that is added from then on. A group that exists stays as it is.
    """
    agreed, keys = delete_settled or retain is not None, Keys.of(stream, group)

    async def work(link: Link) -> Joined:
        from retraced.store.writes import join

        call = join(keys, visibility_ms=visibility_timeout, start=start, retain=retain)
        return await _made(link, keys, call, start=start, agreed=agreed)

    found = session.run(work)
    if not (found.created or found.restored):
        note(f"group {group} of {stream} exists already: nothing was changed")
    show(session, [_row(stream, group, found)], _COLUMNS)


async def _made(
    link: Link, keys: Keys, call: Call[Joined], *, start: bytes, agreed: bool
) -> Joined:
    """Raises Refused for a stream that others use, too, unless a person agreed."""
    from retraced.store import guard
    from retraced.store.arrivals import register
    from retraced.store.joining import joined

    if not agreed:
        await guard.check(link, keys, start=start)
    answer = await joined(link, keys, call)
    await register(link, keys)
    return answer


def _row(stream: str, group: str, found: Joined) -> Row:
    data = {
        "id": group,
        "stream": stream,
        "created": found.created or found.restored,
        "visibility_timeout_ms": found.visibility_ms,
    }
    return Row(data, {"group": group, **data})
