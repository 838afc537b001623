"""Judges one group: keys, place, workers, consumers, flow. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from retraced.cli.doctor.finding import Finding, Words, cli, ok, ours, problem, warning
from retraced.cli.words import size
from retraced.durations import format_ms

if TYPE_CHECKING:
    from retraced.store.reads.health.group import Consumer, Consumers, Pinned, Standing, WrongKey
    from retraced.store.reads.heartbeat import Heartbeat
    from retraced.store.reads.rates import Rates

HOUR_MS = 3_600_000
LATE_MS = 300_000
GROWING = 1.2
LEAST_BACKLOG = 100
SHOWN = 5


def keys(wrong: Sequence[WrongKey]) -> list[Finding]:
    """Keys that hold another type."""
    if not wrong:
        return [ok("keys", "every key has its type")]
    told = [
        f"{_text(each.key)} is a {each.found} and should be a {each.wanted}"
        for each in wrong[:SHOWN]
    ]
    moves = [cli("RENAME", _text(each.key), f"{_text(each.key)}.foreign") for each in wrong[:SHOWN]]
    return [
        problem(
            "keys",
            "; ".join(told) + _more(len(wrong)),
            "Something else writes there, and jobs that need it stay where they are: move it away.",
            *moves,
            wrong=[_text(each.key) for each in wrong],
        )
    ]


def place(facts: Standing, *, stream: str, group: str, protocol: int) -> list[Finding]:
    """Whether the group is in its stream, and speaks a protocol that this release knows."""
    told = facts.state.whole("protocol") or 0
    if told > protocol:
        return [
            problem(
                "group",
                f"it speaks protocol {told}, this release knows up to {protocol}",
                "Upgrade retraced here.",
                protocol=told,
            )
        ]
    if not facts.exists:
        return [
            problem(
                "group",
                "the stream has lost it (FLUSHALL, XGROUP DESTROY, DEL or a failover without data)",
                "A worker makes it again at its checkpoint, at its next try; so does this.",
                ours("groups", "create", stream, "--group", group),
            )
        ]
    return [ok("group", "it is in its stream")]


def workers(
    facts: Standing,
    pinned: Pinned | None,
    *,
    stream: str,
    group: str,
    absent_ms: int = HOUR_MS,
) -> list[Finding]:
    """Whether anybody works, and what stays in the stream for a group that nobody works."""
    if facts.alive:
        return [ok("workers", f"{facts.alive:,} alive", alive=facts.alive)]
    counts = facts.counts
    needed = bool(
        counts.ready or counts.delayed or counts.held or (pinned and pinned.entries.value)
    )
    since_ms = facts.last_sign_at_ms or facts.state.created_at_ms
    age_ms = None if since_ms is None else max(facts.now_ms - since_ms, 0)
    absent, told = _absence(facts, age_ms), _absent_data(facts, pinned)
    start = ours("consume", stream, "--group", group, "--app", "MODULE:ATTR")
    if age_ms is not None and age_ms < absent_ms:
        if not needed:
            return [ok("workers", absent, **told)]
        return [warning("workers", f"{absent}, and jobs wait", "Start one.", start, **told)]
    level = problem if needed else warning
    return [
        level(
            "workers",
            f"{absent}; {_pins(pinned)}",
            "Start one; or, if the group isn't wanted any more, delete it (this shows what is "
            "lost, --yes does it).",
            start,
            ours("groups", "delete", stream, "--group", group),
            **told,
        )
    ]


def _absent_data(facts: Standing, pinned: Pinned | None) -> Mapping[str, object]:
    return {
        "alive": 0,
        "last_sign_ms": facts.last_sign_at_ms,
        "pinned_entries": pinned.entries.value if pinned else None,
        "pinned_alone": pinned.alone.value if pinned else None,
        "pinned_bytes": pinned.size if pinned else None,
    }


def _absence(facts: Standing, age_ms: int | None) -> str:
    if facts.last_sign_at_ms is None:
        made = "" if age_ms is None else f" since it was made {format_ms(age_ms)} ago"
        return f"no worker has worked it{made}"
    return f"no worker for {format_ms(age_ms or 0)}"


def _pins(pinned: Pinned | None) -> str:
    if pinned is None:
        return "what it keeps in the stream can't be told"
    if not pinned.entries.value:
        return "nothing stays in the stream for it"
    stays = "entry stays" if pinned.entries.value == 1 else "entries stay"
    told = f"{pinned.entries} {stays} in the stream for it, about {size(pinned.size)}"
    if pinned.alone == pinned.entries:
        return told
    return f"{told}; {pinned.alone} of them for it alone"


def stalled(beats: Sequence[Heartbeat], *, stream: str, group: str) -> list[Finding]:
    """Workers in which nothing has moved for longer than a lease lasts."""
    hanging = [each for each in beats if each.stalled]
    if not hanging:
        return [ok("stalled", "no worker hangs")]
    return [
        warning(
            "stalled",
            "; ".join(map(_stands_still, hanging[:SHOWN])) + _more(len(hanging)),
            "A handler that blocks the loop is named in the worker's log (loop_stalled); restart "
            "the worker, others take its jobs over.",
            ours("pending", stream, "--group", group),
            workers=[each.name for each in hanging],
        )
    ]


def _stands_still(worker: Heartbeat) -> str:
    for_ = format_ms(worker.still_ms or 0)
    if worker.loop_silent_ms > (worker.age_ms or 0):
        return f"the event loop of {worker.name} has hung for {for_}"
    return f"{worker.name} has been silent for {for_}"


def consumers(
    facts: Consumers, *, stream: str, group: str, absent_ms: int = HOUR_MS
) -> list[Finding]:
    """Names in the consumer groups that belong to nobody."""
    if facts.too_many:
        key, count = next(iter(facts.too_many.items()))
        return [_crowd(_text(key), group, count)]
    old = [each for each in facts.left if each.idle_ms >= absent_ms]
    if not old:
        return [ok("consumers", "none is left over", left=len(facts.left))]
    holding = [each for each in old if each.pending]
    parts = [
        _empty([each for each in old if not each.pending], group),
        _holding(holding, stream, group),
    ]
    told = [part for part in parts if part is not None]
    level = problem if holding else warning
    data = [{"name": each.name, "pending": each.pending, "idle_ms": each.idle_ms} for each in old]
    return [
        level(
            "consumers",
            "; ".join(found for found, _, _ in told),
            " ".join(advice for _, advice, _ in told),
            *(order for _, _, orders in told for order in orders),
            left=data[:100],
        )
    ]


_Part = tuple[str, str, Sequence[Words]]  # what was found, what to do, the commands for it


def _crowd(key: str, group: str, count: int) -> Finding:
    return problem(
        "consumers",
        f"{count:,} consumers are in the group on {key}: something makes new names and doesn't "
        "delete them",
        "See which have nothing pending and delete those; then stop what makes them.",
        cli("XINFO", "CONSUMERS", key, group),
        cli("XGROUP", "DELCONSUMER", key, group, "NAME"),
        count=count,
    )


def _empty(empty: Sequence[Consumer], group: str) -> _Part | None:
    if not empty:
        return None
    names = ", ".join(sorted({each.name for each in empty})[:3])
    orders = [
        cli("XGROUP", "DELCONSUMER", _text(each.key), group, each.name) for each in empty[:SHOWN]
    ]
    found = f"{len(empty):,} consumers without a worker are left ({names})"
    return found, "Delete the empty ones.", orders


def _holding(holding: Sequence[Consumer], stream: str, group: str) -> _Part | None:
    if not holding:
        return None
    count = sum(each.pending for each in holding)
    since = format_ms(min(each.idle_ms for each in holding))
    found = (
        f"{count:,} deliveries are held by consumers that have been gone for {since} or more, and "
        "nobody takes them over"
    )
    order = ours("consume", stream, "--group", group, "--app", "MODULE:ATTR")
    return found, "A worker of this group takes the held ones over.", [order]


def backlog(facts: Standing, rates: Rates | None, *, stream: str, group: str) -> list[Finding]:
    """Whether jobs come faster than they go, and how late the oldest is."""
    late_ms = facts.oldest_for_ms
    told: dict[str, float | None] = {
        "oldest_waiting_ms": late_ms,
        "ready": facts.counts.ready,
        "delayed": facts.counts.delayed,
    }
    rate = rates and (rates.five or rates.minute)
    more = ours("consume", stream, "--group", group, "--app", "MODULE:ATTR", "--processes", "4")
    if rate and rate.added is not None:
        gone = rate.completed + rate.dead
        told |= {"added_per_minute": rate.added, "ended_per_minute": gone}
        waits = late_ms is not None or facts.counts.ready > LEAST_BACKLOG
        if waits and rate.added - gone > LEAST_BACKLOG / 5 and rate.added > GROWING * gone:
            return [
                warning(
                    "backlog",
                    f"it grows: {rate.added:,.0f} jobs a minute come and {gone:,.0f} end (over the "
                    f"last {format_ms(rate.over_ms)})",
                    "Start more workers, or let each run more at once (--concurrency).",
                    more,
                    **told,
                )
            ]
    if late_ms is not None and late_ms >= LATE_MS and facts.alive:
        return [
            warning(
                "backlog",
                f"the oldest waiting job was added {format_ms(late_ms)} ago",
                "Start more workers, or let each run more at once (--concurrency).",
                more,
                **told,
            )
        ]
    said = "nothing waits" if late_ms is None else f"the oldest waits for {format_ms(late_ms)}"
    return [ok("backlog", said, **told)]


def paused(facts: Standing, *, stream: str, group: str) -> list[Finding]:
    """Who paused it, when and why."""
    pause = facts.state.pause
    if pause is None:
        return [ok("paused", "it isn't paused")]
    by = pause.by or "somebody"
    return [
        warning(
            "paused",
            f"paused for {format_ms(max(facts.now_ms - pause.since_ms, 0))} by {by}"
            + (f": {pause.why}" if pause.why else ""),
            "When the reason is gone, resume it.",
            ours("resume", stream, "--group", group),
            since_ms=pause.since_ms,
            by=by,
            why=pause.why or None,
        )
    ]


def _more(count: int) -> str:
    return f"; and {count - SHOWN:,} more" if count > SHOWN else ""


def _text(key: bytes) -> str:
    return key.decode("utf-8", "backslashreplace")
