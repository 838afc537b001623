"""From what an attempt did (Outcome) to what is written (Settlement): pure.

The worker builds Facts from the delivery, asks `decide`, and hands the settlement to the store.
"""

from retraced.job import Counts
from retraced.outcome.outcomes import (
    Cancelled,
    Crashed,
    Expired,
    Failed,
    Interrupted,
    Invalid,
    Outcome,
    Postponed,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
    Unhandled,
    Unstarted,
)
from retraced.outcome.rules import decide, tail
from retraced.outcome.settlements import Bury, Complete, Delay, Drop, Facts, Release, Settlement

__all__ = [
    "Bury",
    "Cancelled",
    "Complete",
    "Counts",
    "Crashed",
    "Delay",
    "Drop",
    "Expired",
    "Facts",
    "Failed",
    "Interrupted",
    "Invalid",
    "Outcome",
    "Postponed",
    "Rejected",
    "Release",
    "Settlement",
    "Snoozed",
    "Succeeded",
    "TimedOut",
    "Unhandled",
    "Unstarted",
    "decide",
    "tail",
]
