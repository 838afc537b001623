"""How the counts of a group are shown, in `groups` and in `streams`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from retraced.cli.listing import iso, when
from retraced.cli.output import printable
from retraced.cli.remedy import command
from retraced.durations import format_ms

if TYPE_CHECKING:
    from retraced.store.arrivals import Pause
    from retraced.store.reads.groups import GroupSummary

GROUP_COLUMNS = ("unread", "held", "ready", "delayed", "dead", "workers", "note")
_LONG_MS = 1_000  # less is no wait worth a note


def group_data(group: GroupSummary) -> Mapping[str, Any]:
    """A group's counts for programs."""
    return {
        "exists": group.exists,
        "unread": group.unread.value,
        "unread_exact": group.unread.exact,
        "held": group.held,
        "ready": group.ready,
        "delayed": group.delayed,
        "dead": group.dead,
        "workers": group.workers,
        "oldest_waiting_ms": group.oldest_for_ms,
        "paused": group.paused,
        "pause": pause_data(group.pause),
        "last_delivered_id": group.position,
        "visibility_timeout_ms": _integer(group.state.get("visibility_ms")),
    }


def group_shown(group: GroupSummary) -> Mapping[str, Any]:
    """A group's counts for people, by column."""
    return {
        "unread": group.unread.value if group.unread.exact else str(group.unread),
        "held": group.held,
        "ready": group.ready,
        "delayed": group.delayed,
        "dead": group.dead,
        "workers": group.workers,
        "note": _note(group),
    }


def plural(count: int, noun: str, many: str = "") -> str:
    """`1 worker`, `2 workers`; `many` where an s isn't enough."""
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def pause_data(pause: Pause | None) -> Mapping[str, Any] | None:
    """A pause for programs: by, since, why."""
    if pause is None:
        return None
    return {"by": pause.by or None, "since": iso(pause.since_ms), "why": pause.why or None}


def paused_words(pause: Pause) -> str:
    """Since when, by whom and why: `paused since 2026-11-24 08:17:20 UTC by ada@desk: bad news`."""
    told = f"paused since {when(pause.since_ms)} UTC"
    told += f" by {printable(pause.by)}" if pause.by else ""
    return told + (f": {printable(pause.why)}" if pause.why else "")


def say_paused(stream: str, group: str, pause: Pause | None) -> None:
    """Says on stderr that a group is paused, and what ends that; nothing if it isn't."""
    if pause is not None:
        going_on = command("resume", stream, "--group", group)
        click.echo(f"group {group} of {stream} is {paused_words(pause)}", err=True)
        click.echo(f"to go on: {going_on}", err=True)


def explain(groups: Iterable[GroupSummary]) -> None:
    """Says on stderr what the notes of a table have no room for."""
    for group in groups:
        stream, name = group.stream.decode(), group.group.decode()
        if not group.exists:
            click.echo(
                f"group {name} is gone from the stream {stream}; its next worker makes it again",
                err=True,
            )
        say_paused(stream, name, group.pause)


def _note(group: GroupSummary) -> str:
    if not group.exists:
        return "gone"
    if group.paused:
        return "paused"
    waits = group.oldest_for_ms or 0
    return f"oldest {format_ms(waits)}" if waits >= _LONG_MS else ""


def _integer(value: str | None) -> int | None:
    return int(value) if value and value.isdigit() else None
