"""The three questions of an incident, answered in words from a job's story: where is it now, why
did it run more than once, and when will it run next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, assert_never

from retraced.cli.listing import ago, first_line, shortened, when
from retraced.cli.output import printable
from retraced.cli.pausewords import paused_words
from retraced.cli.words import plural
from retraced.durations import format_ms
from retraced.events import Event, EventName
from retraced.store.reads.held import Activity, Holding
from retraced.store.reads.story import State, Story

_LONGEST_ERROR = 120
_MOST_NUMBERS = 4

_WHY_DELAYED: Mapping[str, str] = {
    "scheduled": "it was added with a delay or a time of its own",
    "snooze": "its handler snoozed it",
    "unhandled": "no worker that saw it has a handler for its type",
    "crashed": "the process that ran it died",
    "unstarted": "no child process could be started for it",
}


def where(story: Story) -> str:
    """Where the job is now, and why it is there."""
    match story.state:
        case State.QUEUED:
            return _queued(story)
        case State.HELD:
            return "held" if story.holding is None else _held(story, story.holding)
        case State.DELAYED:
            return _delayed(story)
        case State.DEAD:
            return _dead(story)
        case State.UNKNOWN:
            return "no event of this job is kept, and it is nowhere in the group now"
        case _:
            return _ended(story)


def again(story: Story) -> str:
    """What made the job be handed out more than once; empty if it wasn't."""
    by_name: dict[str, list[Event]] = {}
    for event in story.events:
        by_name.setdefault(event.name, []).append(event)
    return "; ".join(words(by_name[name]) for name, words in _AGAIN.items() if name in by_name)


def following(story: Story) -> str:
    """When it will run next, and what that depends on; empty where nobody can tell."""
    if story.cancel_requested:
        return "never: a cancel was asked for, and it ends at its next step"
    match story.state:
        case State.QUEUED:
            return _when_queued(story)
        case State.HELD:
            return "" if story.holding is None else _when_held(story, story.holding)
        case State.DELAYED:
            return _when_delayed(story)
        case State.DEAD:
            return "never, unless a person puts it back"
        case State.UNKNOWN:
            return ""
        case _:
            return "never: it has ended in this group"


def _pause(story: Story) -> str:
    return "" if story.pause is None else f"the group is {paused_words(story.pause)}"


def _queued(story: Story) -> str:
    if not story.unread:
        return "queued, waiting in the group's ready stream"
    if story.ahead is None or not story.ahead.value:
        return "queued, not read yet by the group"
    return f"queued, not read yet by the group; {story.ahead} before it"


def _held(story: Story, holding: Holding) -> str:
    silent = _silent(story, holding)
    doing = f"silent for {format_ms(holding.idle_ms)}" if silent else _doing(holding)
    told = f"held by {printable(holding.consumer)}, {doing}, delivery {holding.delivery}"
    if not silent:
        told += f", last sign of life {ago(holding.idle_ms)}"
    elif holding.activity is Activity.RUNNING:
        told += "; when last heard of it ran the job"
    if holding.ignoring is not None:
        told += f"; told to end ({holding.ignoring.why}) {ago(holding.ignoring.for_ms)}, runs on"
    return told


def _doing(holding: Holding) -> str:
    match holding.activity:
        case Activity.RUNNING | Activity.IGNORING:
            return "running" + (f" for {format_ms(holding.ran_ms)}" if holding.ran_ms else "")
        case Activity.PREFETCHED:
            return "not started"
        case Activity.SILENT:
            return "which is gone"
        case Activity.UNKNOWN:
            return "which doesn't say whether it has started"
        case _:
            assert_never(holding.activity)


def _delayed(story: Story) -> str:
    told = "delayed"
    if story.due_ms is not None:
        told += f" until {when(story.due_ms)} UTC"
    why = _why_delayed(story)
    return f"{told}, because {why}" if why else told


def _why_delayed(story: Story) -> str:
    if story.reason == "retry":
        attempt = f"attempt {story.attempts}" if story.attempts else "its last attempt"
        return f"{attempt} failed" + _colon(story.error)
    why = _WHY_DELAYED.get(story.reason, story.reason)
    return why + (_colon(story.error) if why and story.reason != "scheduled" else "")


def _dead(story: Story) -> str:
    last = _last(story, EventName.DEAD)
    since = f" since {when(last.at_ms)} UTC" if last else ""
    runs = f" after {plural(story.attempts, 'attempt')}" if story.attempts else ""
    return f"dead{since}, {story.reason or 'reason unknown'}{runs}" + _colon(story.error)


def _ended(story: Story) -> str:
    told = story.state.value
    if story.events:
        last = story.events[-1]
        told += f" since {when(last.at_ms)} UTC"
        if story.added_ms is not None:
            told += f", {format_ms(max(last.at_ms - story.added_ms, 0))} after it was added"
        asked = last if last.details.get("by") else _last(story, EventName.CANCEL_REQUESTED)
        if story.state in (State.CANCELLED, State.PURGED) and asked is not None:
            told += f", asked for by {asked.details.get('by')}"
    return told


def _last(story: Story, name: EventName) -> Event | None:
    return next((event for event in reversed(story.events) if event.name == name), None)


def _when_queued(story: Story) -> str:
    if story.paused:
        return f"when the group is resumed; {_pause(story)}"
    if not story.workers:
        return "when a worker starts: no worker is alive in this group"
    who = f"one of {story.workers} workers" if story.workers > 1 else "the only worker"
    return f"when {who} has a free slot"


def _when_held(story: Story, holding: Holding) -> str:
    if holding.activity is Activity.SILENT or _silent(story, holding):
        return _when_taken_over(story, holding)
    if holding.activity in (Activity.RUNNING, Activity.IGNORING):
        return "it runs now; again only if this attempt doesn't succeed or its worker dies"
    return f"when {printable(holding.consumer)} has a free slot; if it dies, on another worker"


def _when_taken_over(story: Story, holding: Holding) -> str:
    if story.paused:
        return f"when the group is resumed, by a takeover; {_pause(story)}"
    if not story.workers:
        return "by a takeover when a worker starts: no worker is alive in this group"
    left = max((story.visibility_ms or 0) - holding.idle_ms, story.hold_ms, 0)
    told = "another worker takes it over at its next sweep"
    if left:
        told = f"another worker takes it over in {format_ms(left)}, when its lease has ended"
        if holding.activity is not Activity.SILENT:
            told += f", unless {printable(holding.consumer)} is heard of before"
            told += "" if story.workers > 1 else "; no other is alive now"
    if story.hold_ms:
        told += "; takeovers are held off, as no worker had reached Redis for a while"
    return told


def _silent(story: Story, holding: Holding) -> bool:
    """Whether its worker has missed a renewal of the lease: one comes every third of it."""
    return story.visibility_ms is not None and holding.idle_ms > story.visibility_ms / 2


def _when_delayed(story: Story) -> str:
    if story.paused:
        return f"when it is due and the group is resumed; {_pause(story)}"
    if story.due_ms is None:
        return ""
    left = story.due_ms - story.now_ms
    nobody = "no worker is alive in this group"
    if left > 0:
        told = f"in {format_ms(left)}, at {when(story.due_ms)} UTC"
        return told if story.workers else f"{told}, if a worker is there: {nobody}"
    who = "a worker takes it at its next look" if story.workers else nobody
    return f"due since {format_ms(-left)}; {who}"


def _failed(events: Sequence[Event]) -> str:
    numbers = [event.details.get("attempt") for event in events]
    told = _numbered("attempt", numbers) if len(numbers) > _MOST_NUMBERS else _budgets(numbers)
    return f"{told} failed" + _because(events[-1], "error", last=len(events) > 1)


def _budgets(numbers: Sequence[Any]) -> str:
    """`attempts 1 and 2, and again 1 after it was put back,`: each budget counts from one."""
    budgets: list[list[Any]] = []
    for number in numbers:
        if not budgets or (number and number <= budgets[-1][-1]):
            budgets.append([])
        budgets[-1].append(number)
    told, *others = [_numbered("attempt", budget) for budget in budgets]
    again = (other.partition(" ")[2] for other in others)
    return told + "".join(f", and again {each} after it was put back," for each in again)


def _crashed(events: Sequence[Event]) -> str:
    told = "its process died" + _times(len(events))
    return told + _because(events[-1], "how", last=len(events) > 1)


def _taken_over(events: Sequence[Event]) -> str:
    last = events[-1].details
    told = f"taken over{_times(len(events))} from "
    told += (
        f"{last.get('from')}" if len(events) == 1 else f"silent workers, last {last.get('from')}"
    )
    if len(events) == 1 and isinstance(last.get("idle_ms"), int):
        told += f", which had been silent for {format_ms(last['idle_ms'])}"
    return told


def _released(events: Sequence[Event]) -> str:
    return f"given back unfinished{_times(len(events))} by {_names(e.worker for e in events)}"


def _snoozed(events: Sequence[Event]) -> str:
    return f"snoozed{_times(len(events))} by its handler"


def _unhandled(events: Sequence[Event]) -> str:
    return f"handed out{_times(len(events))} to workers that have no handler for its type"


def _requeued(events: Sequence[Event]) -> str:
    return f"put back{_times(len(events))} by {_names(_by(event) for event in events)}"


def _replayed(events: Sequence[Event]) -> str:
    return f"replayed{_times(len(events))} by {_names(_by(event) for event in events)}"


_AGAIN: Mapping[str, Callable[[Sequence[Event]], str]] = {
    EventName.FAILED: _failed,
    EventName.CRASHED: _crashed,
    EventName.RECLAIMED: _taken_over,
    EventName.RELEASED: _released,
    EventName.SNOOZED: _snoozed,
    EventName.UNHANDLED: _unhandled,
    EventName.REQUEUED: _requeued,
    EventName.REPLAYED: _replayed,
}


def _numbered(noun: str, numbers: Sequence[Any]) -> str:
    """`attempt 1`, `attempts 1 and 2`, `9 attempts`."""
    if len(numbers) > _MOST_NUMBERS or not all(numbers):
        return plural(len(numbers), noun)
    if len(numbers) == 1:
        return f"{noun} {numbers[0]}"
    *others, last = map(str, numbers)
    return f"{noun}s {', '.join(others)} and {last}"


def _times(count: int) -> str:
    return "" if count == 1 else f" {count} times"


def _names(found: Iterator[str]) -> str:
    """Each name once, in the order in which they came."""
    return ", ".join(dict.fromkeys(name for name in found if name)) or "someone"


def _by(event: Event) -> str:
    return str(event.details.get("by") or "")


def _because(event: Event, key: str, *, last: bool) -> str:
    error = _short(str(event.details.get(key) or ""))
    if not error:
        return ""
    return f" (the last one: {error})" if last else f" ({error})"


def _colon(error: str) -> str:
    return f": {_short(error)}" if error else ""


def _short(error: str) -> str:
    return shortened(printable(first_line(error)), _LONGEST_ERROR)
