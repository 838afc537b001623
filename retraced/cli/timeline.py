"""A job's story in one group as lines for people: where it is, why it ran again, what happened."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from retraced.cli import answers
from retraced.cli.frames import block, last_frame, traceback_of
from retraced.cli.holdings import holding_data
from retraced.cli.listing import ago, iso, moment, stamps, terminal_width, when
from retraced.cli.output import printable
from retraced.cli.pausewords import pause_data
from retraced.cli.prose import wrapped
from retraced.cli.remedy import next_step
from retraced.durations import format_ms
from retraced.events import Event, describe
from retraced.store.reads.story import State, Story

_CLOCK = "%H:%M:%S"
_MARGIN = 2
_WAIT = 8
_UNDER = " " * (_MARGIN + len("00:00:00.000  ") + _WAIT + 2)
_TRACEBACK_MARGIN = 6

_LABELS = 11


def lines(story: Story, *, verbose: bool = False) -> list[str]:
    """The whole story of one group, for a terminal; `verbose`: with its tracebacks."""
    remarks = [line for said in _remarks(story) for line in _paragraph(said, indent=_MARGIN)]
    return [*standing(story), *remarks, "", *_timeline(story, verbose)]


def standing(story: Story) -> list[str]:
    """Where the job is in one group, why it ran again, and what comes next."""
    told = [f"group {story.group}: {story.state}" + (" (paused)" if story.paused else "")]
    for label, answer in (
        ("now", answers.where(story)),
        (_again_label(story), _again(story)),
        ("next", answers.following(story)),
    ):
        told += _answered(label, answer)
    if step := next_step(story):
        told += step_lines(" " * _MARGIN + printable(step))
    return told


def step_lines(text: str) -> list[str]:
    """What a person can do; its command is whole, so that it can be pasted."""
    return wrapped(text, terminal_width(), then=" " * (_MARGIN + 2))


def as_data(story: Story) -> dict[str, Any]:
    """The story for programs; see `retraced trace --help` for its keys."""
    return {
        "group": story.group,
        "state": story.state.value,
        "where": answers.where(story),
        "why_more_than_once": answers.again(story) or None,
        "next": answers.following(story) or None,
        **stamps("added", story.added_ms),
        **stamps("due", story.due_ms),
        "attempts": story.attempts,
        "deliveries": story.deliveries,
        "lost": story.lost,
        "crashes": story.crashes,
        "reason": story.reason or None,
        "error": story.error or None,
        "held": holding_data(story.holding) if story.holding else None,
        "cancel_requested": story.cancel_requested,
        "paused": story.paused,
        "pause": pause_data(story.pause),
        "remarks": list(_gaps(story)),
        "events": [event_data(event) for event in story.events],
    }


def event_data(event: Event) -> dict[str, Any]:
    """One event for programs: its name, when, who, and its details as they were written."""
    return {
        "event": event.name,
        "at": iso(event.at_ms),
        "at_ms": event.at_ms,
        "worker": event.worker or None,
        "release": event.release or None,
        **event.details,
    }


def event_lines(
    event: Event, before_ms: int | None, *, label: str = "", verbose: bool = False
) -> list[str]:
    """One event of the timeline: its time, how long after the one before, what happened, and where
    it was raised or, `verbose`, the traceback.
    """
    wait = "" if before_ms is None else "+" + format_ms(max(event.at_ms - before_ms, 0))
    told = _line(event.at_ms, wait, label + printable(describe(event)))
    traceback = traceback_of(event)
    if verbose:
        return [*told, *block(traceback, indent=_TRACEBACK_MARGIN)]
    return told + [line for place in last_frame(traceback) for line in _below(place)]


def _again_label(story: Story) -> str:
    return "runs again" if story.state in (State.DELAYED, State.QUEUED) else "ran again"


def _again(story: Story) -> str:
    """Why it was handed out more than once; that it wasn't, where it was at all."""
    if why := answers.again(story):
        return f"because {why}"
    return "no" if story.events or story.holding is not None else ""


def _answered(label: str, answer: str) -> list[str]:
    if not answer:
        return []
    return textwrap.wrap(
        answer,
        terminal_width(),
        initial_indent=f"{'':{_MARGIN}}{label:{_LABELS}}",
        subsequent_indent=" " * (_MARGIN + _LABELS),
        break_on_hyphens=False,
    )


def _remarks(story: Story) -> Iterator[str]:
    if not story.group_exists:
        yield "the group is gone from the stream; its next worker makes it again"
    if story.added_ms is None and story.events:
        yield "its id isn't a clock time: durations counted from its first delivery"
    yield from _gaps(story)


def _gaps(story: Story) -> Iterator[str]:
    if story.omitted:
        yield f"{story.omitted:,} events between the first and the last were not kept"
    if story.from_record or (story.events and not story.gap):
        return
    if story.gap:
        yield (
            f"{story.searched:,} entries of the group's events were searched, from the time in "
            "its id on; newer ones weren't read"
        )
    elif story.state is State.UNKNOWN and story.group_exists:
        yield from _all_gone(story)


def _all_gone(story: Story) -> Iterator[str]:
    if not story.read_past:
        yield (
            "the group hasn't read as far as its id, and the stream doesn't have it: it was never "
            "added, or someone removed it"
        )
        return
    since_ms = story.oldest_event_ms
    if since_ms is None:
        yield "this group has no events at all"
    else:
        past = ago(story.now_ms - since_ms)
        yield f"the oldest event that this group has is of {when(since_ms)} UTC ({past})"
    yield _meaning(story)


def _meaning(story: Story) -> str:
    """What it means that a job which the group has read past has no event."""
    gone = "it ended and its events have been trimmed, or it is from before the group began"
    if story.in_stream:
        return f"its entry is still in the stream, so there was such a job: {gone}"
    gone += ", or there never was such a job"
    if story.oldest_event_ms is None:
        return f"so {gone}"
    if story.added_ms is None:
        return f"its id is no clock time, so it may be older: {gone}"
    if story.added_ms < story.oldest_event_ms:
        return f"its id is older than that: {gone}"
    return "its id is newer than that: there never was such a job, or someone removed it unread"


def _timeline(story: Story, verbose: bool) -> Iterator[str]:
    before = story.added_ms
    if before is not None and story.was_there:
        yield from _line(before, "", f"added, on {moment(before):%Y-%m-%d}")
    day = None if before is None else moment(before).date()
    for event in story.events:
        at = moment(event.at_ms).date()
        if day != at:
            yield f"  {at}"
            day = at
        yield from event_lines(event, before, verbose=verbose)
        before = event.at_ms


def _paragraph(text: str, *, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        terminal_width(),
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
    )


def _line(at_ms: int, wait: str, text: str) -> list[str]:
    at = moment(at_ms)
    head = f"{' ' * _MARGIN}{at:{_CLOCK}}.{at.microsecond // 1000:03}  {wait:>{_WAIT}}  "
    first, *rest = _wrapped(text)
    return [head + first, *rest]


def _below(text: str) -> list[str]:
    """A further line of an event, under its text."""
    first, *rest = _wrapped(text)
    return [_UNDER + first, *rest]


def _wrapped(text: str) -> list[str]:
    """The text of an event: its first line bare, the others under it."""
    room = max(terminal_width() - len(_UNDER), 30)
    first, *rest = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    return [first, *(_UNDER + line for line in rest)]
