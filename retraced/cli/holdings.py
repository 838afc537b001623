"""A held job for programs: in `pending`, and in its story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retraced.store.reads.held import Holding


def holding_data(holding: Holding) -> dict[str, Any]:
    """Who holds it on which delivery, and what its worker told of it."""
    return {
        "worker": holding.consumer,
        "on": holding.key,
        "entry": holding.entry,
        "idle_ms": holding.idle_ms,
        "delivery": holding.delivery,
        "state": state_word(holding),
        "type": holding.type,
        "ran_ms": holding.ran_ms,
        "ignoring": holding.ignoring.why if holding.ignoring else None,
    }


def state_word(holding: Holding) -> str:
    """What its worker does with it; of one that stands still it isn't said to run."""
    return "stalled" if holding.stalled else holding.activity.value
