"""The demo's accounts as lines for people, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from retraced.demo.accounts import Account, Reason

_MOST_WRONG = 10


def lines(accounts: Sequence[Account]) -> Iterator[str]:
    """Jobs and runs of each group as sums, with the reasons of extra runs."""
    yield _line("", [each.group for each in accounts])
    yield _line("jobs added", [each.added for each in accounts])
    yield _line("  = done", [each.done for each in accounts])
    yield _line("  + dead", [each.dead for each in accounts])
    yield _line("runs, by a ledger outside Redis", [each.runs for each in accounts])
    yield _line("  = first runs", [each.first_runs for each in accounts])
    for reason in Reason:
        again = [each.again[reason] for each in accounts]
        if any(again):
            yield _line(f"  + again {reason}", again)
    late = [max(each.late_ms, default=0) for each in accounts]
    yield _line("delayed: latest start, ms after it was due", late)


def verdict(wrong: Sequence[str], *, seconds: float) -> str:
    """OK, or what is wrong."""
    if not wrong:
        ended = "each job ended once in each group"
        return f"OK ({seconds:.1f} s): {ended}; each extra run has its reason"
    more = [f"... and {len(wrong) - _MOST_WRONG} more"] if len(wrong) > _MOST_WRONG else []
    return "\n".join([f"NOT OK ({seconds:.1f} s):", *wrong[:_MOST_WRONG], *more])


def _line(name: str, values: Sequence[object]) -> str:
    return f"{name:<42}" + "".join(f"{value:>10}" for value in values)
