"""One group as lines for people and as data for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retraced.cli.groups.facts import FACTS
from retraced.cli.listing import ago, shortened, stamps, terminal_width, when
from retraced.cli.output import printable
from retraced.cli.pausewords import paused_words
from retraced.cli.ratewords import heading, no_times, windows
from retraced.cli.remedy import command, consume
from retraced.cli.summary import group_data
from retraced.cli.words import plural
from retraced.durations import format_ms
from retraced.store.reads.heartbeat import Heartbeat
from retraced.store.reads.portrait import Portrait
from retraced.store.reads.rates import Rate, Spread, Times

_LAST_SEQUENCE = str(2**64 - 1)
_COUNTED = ("added", "completed", "failed", "dead", "reclaimed")
_ALL = "all"
_MOST_WORKERS = 10
_MOST_TYPES = 20
_LABEL = 12
_TYPE = 16
_WIDTHS = (10, 10, 8, 8, 10, 8, 8)  # each with a space before it


def lines(found: Portrait) -> Iterator[str]:
    """For a terminal of 80 columns."""
    group = found.group
    name, stream = group.group.decode(), group.stream.decode()
    yield f"group {printable(name)} of {printable(stream)}"
    if group.pause is not None:
        yield from _wrapped(paused_words(group.pause))
        yield f"  to go on: {command('resume', stream, '--group', name)}"
    if not group.exists:
        yield "  gone from the stream; its next worker makes it again"
    yield _line("jobs", _jobs(found))
    if group.oldest_for_ms is not None:
        yield _line("oldest", f"waits {format_ms(group.oldest_for_ms)} for a worker")
    yield _line("stream", _stream(found))
    if checkpoint := group.state.facts.get("checkpoint"):
        yield _line("", f"settled up to {_settled(checkpoint)}")
    yield ""
    yield from _workers(found, stream, name)
    yield ""
    yield from _rates(found)
    yield ""
    yield from _times(found)
    yield ""
    yield from _settings(found)


def as_data(found: Portrait) -> Mapping[str, Any]:
    """For programs; `retraced groups show --help` says what the keys are."""
    group, state = found.group, found.group.state
    return {
        "id": group.group,
        "stream": group.stream,
        **group_data(group),
        "entries": found.entries,
        "settled_up_to": state.facts.get("checkpoint"),
        **stamps("created", state.created_at_ms),
        "protocol": state.whole("protocol"),
        "facts": {each: state.facts[each] for each in FACTS if each in state.facts},
        "retain": found.settings.get("retain"),
        "workers_alive": [_worker_data(each) for each in _alive(found)],
        "rates": {
            window: _rate_data(getattr(found.rates, window))
            for window in ("minute", "five", "hour")
        },
        "totals": dict(found.rates.totals),
        "times": [_times_data(job_type, each) for job_type, each in _all_times(found)],
    }


def _jobs(found: Portrait) -> str:
    unread, counts = found.group.unread, found.group.counts
    told = f"{unread} unread, {counts.ready:,} ready, {counts.held:,} held, "
    return told + f"{counts.delayed:,} delayed, {counts.dead:,} dead"


def _stream(found: Portrait) -> str:
    told = plural(found.entries, "entry", "entries")
    return f"{told}, read up to {found.group.position.decode()}"


def _settled(checkpoint: str) -> str:
    """An id; the last that a millisecond can have stands for that whole millisecond."""
    ms, _, sequence = checkpoint.partition("-")
    if sequence != _LAST_SEQUENCE:
        return printable(checkpoint)
    return f"the end of millisecond {ms} ({when(int(ms))} UTC)"


def _workers(found: Portrait, stream: str, name: str) -> Iterator[str]:
    alive = _alive(found)
    if not alive:
        yield _line("workers", "none is alive")
        yield f"  start one: {consume(stream, name)}"
        return
    yield _line("workers", f"{len(alive):,} alive")
    for worker in alive[:_MOST_WORKERS]:
        yield "    " + shortened(_worker(worker), terminal_width() - 4)
    if len(alive) > _MOST_WORKERS:
        yield f"    and {len(alive) - _MOST_WORKERS:,} more: {command('workers', stream)}"


def _worker(worker: Heartbeat) -> str:
    running = "?" if worker.running is None else len(worker.running)
    slots = "?" if worker.slots is None else worker.slots
    told = f"{printable(worker.consumer)}  {running} of {slots} slots"
    if worker.release:
        told += f", release {printable(worker.release)}"
    stalled = worker.stalled_ms()
    return f"{told}, stalled for {format_ms(stalled)}" if stalled else told


def _rates(found: Portrait) -> Iterator[str]:
    if found.rates.wrong:
        yield _line("rates", f"not known: {printable(found.rates.wrong)}")
        return
    rows = windows(found.rates)
    if not rows:
        yield _line("rates", "no worker has counted anything yet")
        return
    yield _line(heading(rows), "".join(f"{name:>11}" for name in _COUNTED))
    for label, rate in rows:
        cells = "".join(f"{_number(getattr(rate, name)):>11}" for name in _COUNTED)
        yield _line(f"  {label}", cells)


def _times(found: Portrait) -> Iterator[str]:
    rows = _all_times(found)
    if not rows:
        yield _line("times", no_times(found))
        return
    heads = ("runs", "wait p50", "p95", "p99", "run p50", "p95", "p99")
    yield _cells("times", heads)
    for job_type, each in rows[:_MOST_TYPES]:
        name = shortened(printable(job_type or _ALL), _TYPE)
        cells = [f"{each.count:,}", *_percentiles(each.wait), *_percentiles(each.run)]
        yield _cells(name, cells)
    if len(rows) > _MOST_TYPES:
        yield f"  and {len(rows) - _MOST_TYPES:,} more types: -o json shows all"


def _cells(name: str, cells: Sequence[str]) -> str:
    padded = (f" {cell:>{width - 1}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    return f"  {name:{_TYPE}}{''.join(padded)}"


def _settings(found: Portrait) -> Iterator[str]:
    """What is set; what isn't goes by its default."""
    facts = found.group.state.facts
    for name, fact in FACTS.items():
        if name in facts:
            yield f"  {fact.label:24}{printable(fact.spelled(facts[name]))}"
    if retained := found.settings.get("retain"):
        yield f"  {'the stream retains':24}{printable(retained)}"
    unset = sum(name not in facts for name in FACTS)
    if unset:
        yield f"  {unset} more facts have their defaults: {command('groups', 'set', '--help')}"
    created = found.group.state.created_at_ms
    if created:
        past = ago(found.group.now_ms - created)
        yield f"  made {when(created)} UTC ({past}), protocol {facts.get('protocol')}"


def _all_times(found: Portrait) -> list[tuple[str | None, Times]]:
    """All types together first (None), then those that ran most."""
    if not found.times.types:
        return []
    types = sorted(found.times.types.items(), key=lambda each: -each[1].count)
    return [(None, found.times.total), *types]


def _alive(found: Portrait) -> list[Heartbeat]:
    return [worker for worker in found.workers if not worker.gone]


def _worker_data(worker: Heartbeat) -> Mapping[str, Any]:
    running = worker.running
    return {
        "id": worker.consumer,
        "stalled": worker.stalled,
        "running": None if running is None else len(running),
        "slots": worker.slots,
        "release": worker.release or None,
    }


def _rate_data(rate: Rate | None) -> Mapping[str, Any] | None:
    if rate is None:
        return None
    counted = {name: getattr(rate, name) for name in _COUNTED}
    rounded = {name: None if value is None else round(value, 3) for name, value in counted.items()}
    return {"over_ms": rate.over_ms, **rounded}


def _times_data(job_type: str | None, each: Times) -> Mapping[str, Any]:
    data: dict[str, Any] = {"type": job_type, "count": each.count}
    for kind, spread in (("wait", each.wait), ("run", each.run)):
        for name in ("p50", "p95", "p99"):
            value = getattr(spread, name)
            data[f"{kind}_{name}_ms"] = None if value is None else round(value, 1)
    return data


def _percentiles(spread: Spread) -> Sequence[str]:
    found = (spread.p50, spread.p95, spread.p99)
    return ["-" if value is None else format_ms(round(value)) for value in found]


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        terminal_width(),
        initial_indent="  ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )


def _line(label: str, text: str) -> str:
    return f"  {label:{_LABEL}}{text}"
