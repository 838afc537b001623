"""How the counts of a group are shown, in `groups` and in `streams`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from retraced.cli.pausewords import pause_data, say_paused
from retraced.cli.prose import note
from retraced.durations import format_ms

if TYPE_CHECKING:
    from retraced.store.reads.groups import GroupSummary

GROUP_COLUMNS = ("unread", "held", "ready", "delayed", "dead", "workers", "note")
_LONG_MS = 1_000  # less is no wait worth a note


def group_data(group: GroupSummary) -> Mapping[str, Any]:
    """A group's counts for programs."""
    return {
        "exists": group.exists,
        "unread": group.unread.value,
        "unread_exact": group.unread.exact,
        "held": group.counts.held,
        "ready": group.counts.ready,
        "delayed": group.counts.delayed,
        "dead": group.counts.dead,
        "workers": group.workers,
        "cancels": group.counts.cancels,
        "oldest_waiting_ms": group.oldest_for_ms,
        "paused": group.paused,
        "pause": pause_data(group.pause),
        "last_delivered_id": group.position,
        "visibility_timeout_ms": group.state.whole("visibility_ms"),
    }


def group_shown(group: GroupSummary) -> Mapping[str, Any]:
    """A group's counts for people, by column."""
    return {
        "unread": group.unread.value if group.unread.exact else str(group.unread),
        "held": group.counts.held,
        "ready": group.counts.ready,
        "delayed": group.counts.delayed,
        "dead": group.counts.dead,
        "workers": group.workers,
        "note": _note(group),
    }


def explain(groups: Iterable[GroupSummary]) -> None:
    """Says on stderr what the notes of a table have no room for."""
    for group in groups:
        stream, name = group.stream.decode(), group.group.decode()
        if not group.exists:
            note(f"group {name} is gone from the stream {stream}; its next worker makes it again")
        say_paused(stream, name, group.pause)


def _note(group: GroupSummary) -> str:
    if not group.exists:
        return "gone"
    notes = []
    waits, cancels = group.oldest_for_ms or 0, group.counts.cancels
    if group.paused:
        notes.append("paused")
    elif waits >= _LONG_MS:
        notes.append(f"oldest {format_ms(waits)}")
    if cancels:
        notes.append(f"{cancels:,} cancel{'s wait' if cancels != 1 else ' waits'}")
    return "; ".join(notes)
