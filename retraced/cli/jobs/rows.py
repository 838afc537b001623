"""Jobs as rows of a list, for people and for programs, and what is said beside them."""

from __future__ import annotations

from typing import Any

from retraced.cli.listing import Row, ago, first_line, for_people, show, stamps
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.durations import format_ms
from retraced.entry import added_ms
from retraced.store.reads.jobs import AllCounts, JobRow, Listing, Place

_COLUMNS = ("job", "state", "type", "attempts", "age", "note")


def print_page(
    session: Session, page: Listing, counts: AllCounts, *, narrowed: bool, where: str
) -> None:
    """Prints the rows, and for people how many there are where."""
    rows = [_row(each, page.now_ms) for each in page.rows]
    kind = "jobs that match" if narrowed else "jobs"
    looked = f", of {page.looked:,} that were looked at" if narrowed else ""
    nothing = f"no {kind} {where}{looked}"
    if page.next is None and not narrowed:
        nothing += "; one that succeeded at once leaves no record here: `retraced trace` finds it"
    show(session, rows, _COLUMNS, flexible="note", empty=nothing)
    if for_people(session):
        note(_counted(counts))


def job_data(row: JobRow, now_ms: int) -> dict[str, Any]:
    """One job for programs; `retraced jobs list --help` has the keys."""
    added = added_ms(row.job, now_ms)
    return {
        "id": row.job,
        "state": row.state,
        "place": row.place.value,
        "type": row.type,
        "attempts": row.attempt,
        **stamps("added", added),
        "age_ms": None if added is None else max(now_ms - added, 0),
        **stamps("due", row.due_ms),
        **stamps("since", row.since_ms),
        "worker": row.worker or None,
        "release": row.release or None,
        "idle_ms": row.idle_ms,
        "delivery": row.delivery,
        "cancel_requested": row.to_cancel,
        "reason": row.reason or None,
        "error": row.error or None,
        "position": str(row.cursor),
    }


def due_words(due_ms: int, now_ms: int) -> str:
    """`in 59m`, or `3s ago` for one that nobody has moved yet."""
    return f"in {format_ms(due_ms - now_ms)}" if due_ms > now_ms else ago(now_ms - due_ms)


def _row(row: JobRow, now_ms: int) -> Row:
    added = added_ms(row.job, now_ms)
    shown = {
        "job": row.job,
        "state": row.state,
        "type": row.type,
        "attempts": row.attempt,
        "age": None if added is None else format_ms(max(now_ms - added, 0)),
        "note": _note(row, now_ms),
    }
    return Row(job_data(row, now_ms), shown)


def _note(row: JobRow, now_ms: int) -> str:
    about = _about(row, now_ms)
    return f"cancel requested, {about}" if row.to_cancel else about


def _about(row: JobRow, now_ms: int) -> str:
    error = first_line(row.error)
    match row.place:
        case Place.HELD | Place.HELD_AGAIN:
            return f"by {row.worker}, delivery {row.delivery}"
        case Place.READY:
            return f"ready, after {error}" if error else "ready"
        case Place.UNREAD:
            return "not read yet"
        case Place.DELAYED:
            why = f"due {due_words(row.due_ms or 0, now_ms)}, {row.reason}"
            return f"{why}: {error}" if error else why
        case Place.DEAD:
            return f"{row.reason}: {error}" if error else row.reason
        case Place.ENDED:
            return f"ended {ago(now_ms - (row.since_ms or now_ms))}"


def _counted(counts: AllCounts) -> str:
    places = counts.places
    held = (places[Place.HELD] or 0) + (places[Place.HELD_AGAIN] or 0)
    others = (Place.DELAYED, Place.DEAD, Place.ENDED)
    told = ", ".join(f"{place.value} {places[place] or 0:,}" for place in others)
    waiting = f"ready {places[Place.READY] or 0:,}, unread {counts.unread}"
    cancels = f"; cancel requested: {counts.to_cancel:,}" if counts.to_cancel else ""
    return f"in all: held {held:,}, {waiting}, {told}{cancels}"
