"""How the pause of a group is told, wherever the group is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retraced.cli.listing import stamps, when
from retraced.cli.output import printable
from retraced.cli.prose import note
from retraced.cli.remedy import command

if TYPE_CHECKING:
    from retraced.store.reads.pause import Pause


def pause_data(pause: Pause | None) -> Mapping[str, Any] | None:
    """A pause for programs: by, since_at, since_ms, why."""
    if pause is None:
        return None
    return {"by": pause.by or None, **stamps("since", pause.since_ms), "why": pause.why or None}


def paused_words(pause: Pause) -> str:
    """Since when, by whom and why: `paused since 2026-11-24 08:17:20 UTC by ada@desk: bad news`."""
    told = f"paused since {when(pause.since_ms)} UTC"
    told += f" by {printable(pause.by)}" if pause.by else ""
    return told + (f": {printable(pause.why)}" if pause.why else "")


def say_paused(stream: str, group: str, pause: Pause | None) -> None:
    """Says on stderr that a group is paused, and what ends that; nothing if it isn't."""
    if pause is not None:
        going_on = command("resume", stream, "--group", group)
        note(f"group {group} of {stream} is {paused_words(pause)}")
        note(f"to go on: {going_on}")
