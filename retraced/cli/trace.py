"""`retraced trace`: the story of one job, for every group."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from retraced.cli.listing import ago, for_people, when
from retraced.cli.lookup import groups_meant, job_id
from retraced.cli.options import group_option
from retraced.cli.patient import patiently
from retraced.cli.session import Session
from retraced.errors import NotFound
from retraced.keys import Keys

if TYPE_CHECKING:
    from retraced.events import Event
    from retraced.store.connection import Link
    from retraced.store.reads.groups import StreamFacts
    from retraced.store.reads.story import Story

_POLL_S = 0.5

EXAMPLES = """
\b
Examples:
  retraced trace emails 1795501170340-0
  retraced trace emails 1795501170340-0 --group mail --follow
  retraced trace emails 1795501170340-0 --verbose
  retraced -o json trace emails 1795501170340-0

JSON, for each group: id (the job's), stream, group, state (queued, held, delayed, dead, done,
cancelled, vanished, purged, unknown), where, why_more_than_once, next (in words), added_at,
added_ms, due_at, due_ms, attempts, deliveries, lost, crashes (null when no record tells), reason,
error, held (worker, on, entry, idle_ms, delivery, state, type, ran_ms, ignoring), cancel_requested,
paused, pause (by, since_at, since_ms, why), remarks (what isn't known, and why), events (each:
event, at, at_ms, worker, release, and details such as attempt, wait_ms, run_ms, error, traceback,
due; docs/story.md lists all). With --follow then one line for each further event: id, stream, group
and these.
"""


@click.command(epilog=EXAMPLES)
@click.argument("stream")
@click.argument("job", metavar="ID")
@group_option("Only in this group.", required=False)
@click.option("--follow", is_flag=True, help="Go on until it has ended in each group.")
@click.option("--verbose", "-v", is_flag=True, help="With the traceback of each failure.")
@click.pass_obj
def trace(
    session: Session, stream: str, job: str, *, group: str | None, follow: bool, verbose: bool
) -> None:
    """Tell the story of the job ID of STREAM: where it is, what happened, what comes next.

    Times are those of Redis, in UTC. What has been trimmed is said to be missing.
    """
    wanted = job_id(job)

    async def work(link: Link) -> bool:
        facts, keys = await _groups(link, stream, wanted, group)
        stories = await _stories(link, keys, wanted, facts)
        _print(session, stream, wanted, stories, verbose=verbose)
        if follow:
            await _follow(session, link, keys, wanted, stories, verbose=verbose)
        return any(story.known for story in stories)

    known = True  # Ctrl-C ends only the following
    with suppress(KeyboardInterrupt) if follow else nullcontext():
        known = session.run(work)
    if not known:
        raise NotFound(
            f"no event of job {job} of {stream!r} is kept, and no group has it now; what that "
            "means is said above"
        )


async def _groups(
    link: Link, stream: str, job: bytes, group: str | None
) -> tuple[StreamFacts, list[Keys]]:
    """The stream's facts and the groups to ask. Raises NotFound if the job can't be there."""
    from retraced.keys import id_parts

    facts, groups = await groups_meant(link, stream, group)
    if facts.exists and id_parts(job) > id_parts(facts.last_id):
        made = [await _made_at(link, each) for each in groups]
        raise NotFound(
            f"job {job.decode()} isn't known here: the newest id of {stream!r} is "
            f"{facts.last_id.decode()}{', '.join(['', *filter(None, made)])}. It was never added, "
            "or the stream has been flushed, restored from an older copy, or lost it in a "
            "failover; how to tell: docs/operations.md"
        )
    return facts, groups


async def _made_at(link: Link, keys: Keys) -> str:
    """`its group mail was made 2026-11-24 08:17:20 UTC`; empty where that isn't known."""
    made = await link.call("HGET", keys.state, "created_at")
    if not made:
        return ""
    return f"its group {keys.group_name} was made {when(int(made))} UTC"


async def _stories(link: Link, keys: Sequence[Keys], job: bytes, facts: StreamFacts) -> list[Story]:
    from retraced.store.reads.story import story

    return [await story(link, each, job, facts) for each in keys]


def _print(
    session: Session, stream: str, job: bytes, stories: Sequence[Story], *, verbose: bool
) -> None:
    from retraced.cli import timeline

    if not for_people(session):
        rows = [{"id": job, "stream": stream, **timeline.as_data(story)} for story in stories]
        session.emit(rows, ["id"])
        return
    click.echo(_heading(stream, job, stories))
    for story in stories:
        click.echo()
        for line in timeline.lines(story, verbose=verbose):
            click.echo(line)


def _heading(stream: str, job: bytes, stories: Sequence[Story]) -> str:
    told, story = f"job {job.decode()} of {stream}", stories[0]
    if story.added_ms is None:
        return told
    added = "added" if any(story.was_there for story in stories) else "by its id of"
    return f"{told}, {added} {when(story.added_ms)} UTC ({ago(story.now_ms - story.added_ms)})"


async def _follow(
    session: Session,
    link: Link,
    keys: Sequence[Keys],
    job: bytes,
    stories: Sequence[Story],
    *,
    verbose: bool,
) -> None:
    """Prints further events as they come, until the job has ended in each group."""
    from retraced.store.reads.eventlog import following
    from retraced.store.reads.story import ENDED, ends

    places = {each.group: story.last_event for each, story in zip(keys, stories, strict=True)}
    before = {each.group: _latest(story) for each, story in zip(keys, stories, strict=True)}
    live = {
        each.group: each
        for each, story in zip(keys, stories, strict=True)
        if story.state not in ENDED
    }
    while live:
        await asyncio.sleep(_POLL_S)
        for group, each in list(live.items()):
            read = partial(following, link, each, job, places[group])
            events, places[group] = await patiently(read)
            for event in events:
                label = f"{each.group_name}: " if len(keys) > 1 else ""
                _print_event(session, each, event, before[group], label=label, verbose=verbose)
                before[group] = event.at_ms
                if ends(event):
                    live.pop(group, None)
            if group not in live:
                await patiently(partial(_close, session, link, each, job))


async def _close(session: Session, link: Link, keys: Keys, job: bytes) -> None:
    """Says for people how it stands at the end: what was said at the start is over."""
    from retraced.cli import timeline
    from retraced.store.reads.groups import stream_facts
    from retraced.store.reads.story import story

    if for_people(session):
        ended = await story(link, keys, job, await stream_facts(link, keys.stream))
        click.echo("\n".join(["", *timeline.standing(ended)]))


def _latest(story: Story) -> int | None:
    return story.events[-1].at_ms if story.events else story.added_ms


def _print_event(
    session: Session,
    keys: Keys,
    event: Event,
    before_ms: int | None,
    *,
    label: str,
    verbose: bool,
) -> None:
    from retraced.cli import timeline

    if for_people(session):
        for line in timeline.event_lines(event, before_ms, label=label, verbose=verbose):
            click.echo(line)
        return
    row: dict[str, Any] = {
        "id": event.job,
        "stream": keys.stream_name,
        "group": keys.group_name,
        **timeline.event_data(event),
    }
    session.emit([row], ["id"])
