"""How the counts of a group are shown, in `groups` and in `streams`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retraced.store.reads.groups import GroupSummary

GROUP_COLUMNS = ("unread", "held", "ready", "delayed", "dead", "workers", "note")


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
        "paused": group.paused,
        "last_delivered_id": group.position,
        "visibility_timeout_ms": _integer(group.state.get("visibility_ms")),
    }


def group_shown(group: GroupSummary) -> Mapping[str, Any]:
    """A group's counts for people, by column."""
    return {
        "unread": group.unread.value if group.unread.exact else f"{group.unread.value}+",
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


def _note(group: GroupSummary) -> str:
    if not group.exists:
        return "gone from the stream"
    return "paused" if group.paused else ""


def _integer(value: str | None) -> int | None:
    return int(value) if value and value.isdigit() else None
