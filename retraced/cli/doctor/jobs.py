"""Judges samples of a group's jobs, and what it weighs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from retraced.cli.doctor.finding import Finding, cli, ok, ours, problem, warning
from retraced.cli.words import plural, size
from retraced.durations import format_ms

if TYPE_CHECKING:
    from retraced.keys import Keys
    from retraced.store.reads.health.group import Standing
    from retraced.store.reads.health.samples import Unhandled, Vanished, Wishes
    from retraced.store.reads.health.weight import Weight

DAY_MS = 86_400_000
LARGE_SHARE = 0.25
LARGE = 1 << 30
SHOWN = 5


def trimmed(facts: Standing, gone: Vanished, keys: Keys) -> list[Finding]:
    """Whether someone else removes entries: held ones, or ones that were never delivered."""
    stream, group = keys.stream_name, keys.group_name
    told: list[str] = []
    if gone.missing:
        told.append(f"{len(gone.missing)} of {gone.looked_at} held entries have no body any more")
    if gone.last_ms is not None and facts.now_ms - gone.last_ms < DAY_MS:
        age = format_ms(max(facts.now_ms - gone.last_ms, 0))
        told.append(f"held entries were removed by someone else, the last one {age} ago")
    if _after(facts.max_deleted, facts.position) and facts.exists:
        told.append("entries that this group hasn't been given were deleted (XDEL)")
    sure = bool(told)
    lost = facts.never_given if _after(facts.last_id, facts.position) else 0
    if lost:
        told.append(f"at least {lost:,} entries were trimmed before this group was given them")
    data = {
        "missing": [each.decode() for each in gone.missing[:SHOWN]],
        "vanished_total": facts.state.counted.get("vanished", 0),
        "never_given": facts.never_given,
    }
    if not told:
        return [ok("trimmed", "no entries were removed by others", **data)]
    looks = [ours("trace", stream, job, "--group", group) for job in gone.jobs[:1]]
    level = problem if sure else warning  # the server's count may be of long ago
    return [
        level(
            "trimmed",
            "; ".join(told),
            "Find the producer that says XADD with MAXLEN or MINID, or who says XTRIM or XDEL, and "
            "let it stop: ReTraced deletes what is settled by itself.",
            *looks,
            cli("XINFO", "STREAM", stream),
            **data,
        )
    ]


def unhandled(facts: Unhandled, *, stream: str, group: str) -> list[Finding]:
    """Types for which no worker has a handler."""
    if not (facts.delayed or facts.dead):
        return [ok("unhandled", "each type has a handler, as far as was looked")]
    told: list[str] = []
    if facts.delayed:
        told.append(
            f"no worker handles {_counted(facts.delayed)} (of the next "
            f"{facts.looked_at:,} delayed jobs); they are buried when that lasts"
        )
    if facts.dead:
        told.append(
            f"buried as unhandled: {_counted(facts.dead)} (of the newest "
            f"{facts.letters:,} dead letters)"
        )
    orders = [ours("consume", stream, "--group", group, "--app", "MODULE:ATTR")]
    if facts.dead:
        orders.append(
            ours("dlq", "requeue", stream, "--group", group, "reason=unhandled", "--dry-run")
        )
    return [
        problem(
            "unhandled",
            "; ".join(told),
            'Start a worker whose app has a handler of that name (or one for "*"), or mend the '
            "producer's `type`." + (" Then put the dead ones back." if facts.dead else ""),
            *orders,
            delayed=facts.delayed,
            dead=facts.dead,
        )
    ]


def wishes(facts: Wishes, state: Mapping[str, str], keys: Keys) -> list[Finding]:
    """Jobs that ask for what only a routed group gives."""
    counted = {
        name.removeprefix("asked:"): int(value)
        for name, value in state.items()
        if name.startswith("asked:") and value.isdigit()
    }
    if state.get("routed") or not (facts.asked or counted):
        return [ok("asks", "no job asks for what the group doesn't do")]
    told = []
    if facts.asked:
        told.append(f"of the newest {facts.looked_at} jobs {_counted(facts.asked)}")
    if counted:
        told.append(f"since it was made {_counted(counted)}")
    reset = cli("HDEL", keys.state.decode(), *(f"asked:{name}" for name in counted))
    return [
        warning(
            "asks",
            f"jobs ask for what only a routed group does, here these fields do nothing: "
            f"{'; '.join(told)}",
            "This release has no routed groups yet: let producers leave the fields out."
            + (" Then this begins the count anew." if counted else ""),
            *([reset] if counted else []),
            newest=facts.asked,
            counted=counted,
        )
    ]


def weight(facts: Weight, maxmemory: int) -> list[Finding]:
    """How much memory the group's own keys take."""
    largest = sorted(facts.keys.items(), key=lambda item: -item[1])
    parts = [f"{name} {size(count)}" for name, count in largest[:3] if count]
    if facts.records:
        parts.append(f"{plural(facts.records, 'record')} of jobs about {size(facts.record_bytes)}")
    told = f"about {size(facts.total)}" + (f": {', '.join(parts)}" if parts else "")
    data = {
        "bytes": facts.total,
        "keys": facts.keys,
        "records": facts.records,
        "record_bytes": facts.record_bytes,
    }
    bound = min(LARGE, int(maxmemory * LARGE_SHARE)) if maxmemory else LARGE
    if facts.total < bound:
        return [ok("weight", told, **data)]
    return [
        warning(
            "weight",
            f"the group's own keys take {told}",
            "Purge dead letters, or set caps on what is kept (groups set --help).",
            ours("groups", "set", "--help"),
            **data,
        )
    ]


def _counted(counts: Mapping[str, int]) -> str:
    """`key 3, priority 1`, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name} {count:,}" for name, count in ordered[:SHOWN])
    return shown + (f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else "")


def _after(entry: bytes, other: bytes) -> bool:
    return _order(entry) > _order(other)


def _order(entry: bytes) -> tuple[int, int]:
    ms, _, seq = entry.partition(b"-")
    return int(ms), int(seq or b"0")
