"""When a job was added, is due and expires, by its id and its entry; all in Redis ms."""

from __future__ import annotations

from retraced.durations import DAY_MS, TEN_YEARS_MS
from retraced.entry.decoding import Entry

YEAR_2010_MS = 1_262_304_000_000
MOST_DUPLICATES_NAMED = 10
LONGEST_NUMBER_OF_AN_ID = 20


def added_ms(job_id: bytes, now_ms: int | None = None) -> int | None:
    """When a job was added, by its id; None when the id isn't a clock time.

    It isn't when it lies before 2010 or more than a day after `now_ms` (Redis time).
    """
    digits = job_id.partition(b"-")[0]
    if not digits.isdigit() or len(digits) > LONGEST_NUMBER_OF_AN_ID:
        return None
    added = int(digits)
    if added < YEAR_2010_MS or (now_ms is not None and added > now_ms + DAY_MS):
        return None
    return added


def due_ms(entry: Entry, added_ms: int | None, now_ms: int) -> int | None:
    """When `delay` and `run_at` allow the job to run (the later of both), or None without them.

    `added_ms` None (an id that isn't a clock time): the delay counts from `now_ms`. At most ten
    years from now.
    """
    times = [] if entry.run_at_ms is None else [entry.run_at_ms]
    if entry.delay_ms is not None:
        times.append((now_ms if added_ms is None else added_ms) + entry.delay_ms)
    return min(max(times), now_ms + TEN_YEARS_MS) if times else None


def expires_ms(
    entry: Entry, added_ms: int | None, now_ms: int, *, obeyed_due_ms: int | None = None
) -> int | None:
    """After when the first attempt may no longer begin, or None.

    With `added_ms` None it counts from the first delivery: that was now, or, for a job that has
    waited for its due time since (`@due`), its delay before then.
    """
    if entry.expires_after_ms is None:
        return entry.expires_at_ms
    if added_ms is not None:
        return added_ms + entry.expires_after_ms
    if obeyed_due_ms is not None and entry.delay_ms is not None:
        return min(obeyed_due_ms - entry.delay_ms, now_ms) + entry.expires_after_ms
    return now_ms + entry.expires_after_ms


def notes(entry: Entry, added_ms: int | None) -> dict[str, str]:
    """What the story should say about how the entry was understood; mostly nothing."""
    said: dict[str, str] = {}
    if entry.duplicates:
        said["duplicates"] = ", ".join(entry.duplicates[:MOST_DUPLICATES_NAMED])
    counts = entry.delay_ms is not None or entry.expires_after_ms is not None
    if counts and added_ms is None:
        said["counted_from"] = "first delivery"
    return said
