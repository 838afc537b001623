"""The four views: a snapshot as rows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from retraced.cli.listing import first_line
from retraced.cli.output import printable
from retraced.cli.top.data import Buried, Snapshot, View
from retraced.cli.top.meter import Pace
from retraced.cli.top.repeats import distinct
from retraced.cli.top.sieve import Sieve
from retraced.cli.top.table import Column, Line, Page, Tone
from retraced.cli.top.target import Target
from retraced.cli.top.words import counted, per_second, short, span
from retraced.durations import format_ms
from retraced.filter import JobFacts
from retraced.keys import Keys
from retraced.store.reads.heartbeat import Heartbeat
from retraced.store.reads.held import Activity, Holding
from retraced.store.reads.overview import GroupView
from retraced.store.reads.replies import text

MOST_ROWS = 500
TOO_LONG = 10  # times the p99 of its type
_TOO_LONG_MS = 1000  # below that nobody waits for it
_JUST_BEGUN_MS = 1000

_WHERE, _TYPE, _REASON, _ERROR = "STREAM/GROUP", "TYPE", "REASON", "ERROR"
_REPEATING = (_TYPE, _REASON, _WHERE)

_GROUPS = (
    Column("STATE", 7),
    Column(_WHERE, least=18),
    Column("BACKLOG", 7, right=True),
    Column("HELD", 6, right=True),
    Column("DELAYED", 7, right=True),
    Column("DEAD", 6, right=True),
    Column("DONE/S", 6, right=True),
    Column("FAIL/S", 6, right=True),
    Column("OLDEST", 7, right=True),
    Column("WORKERS", 7, right=True, yields=1),
)
_HELD = (
    Column("STATE", 8),
    Column("JOB", 17),
    Column(_TYPE, least=11),
    Column("FOR", 7, right=True),
    Column("DLV", 3, right=True),
    Column("WORKER", least=11, tail=True),
    Column(_WHERE, least=11),
    Column("P99", 7, right=True, yields=1),
)
_WORKERS = (
    Column("STATE", 7),
    Column("WORKER", tail=True),
    Column(_WHERE),
    Column("BEAT", 6, right=True),
    Column("RUNS", 7, right=True),
    Column("LONGEST NOW"),
    Column("RELEASE", 10, yields=1),
    Column("PID", 8, right=True, yields=2),
)
_DEAD = (
    Column("DIED", 7, right=True),
    Column("JOB", 17),
    Column(_TYPE, least=11),
    Column(_REASON, 9),
    Column("ATTEMPTS", 8, right=True, yields=1),
    Column(_ERROR, least=34),
    Column(_WHERE, least=11, yields=2),
)


def page(snapshot: Snapshot, view: View, sieve: Sieve) -> Page:
    """The rows of a view that the sieve lets through, at most 500."""
    columns, lines, nothing = _VIEWS[view]
    read = list(lines(snapshot))
    found = [line for line in read if sieve.lets(line)] if sieve else read
    note = _note(snapshot, view, len(read))
    if sieve:
        note = f"{sieve.told(len(found), len(read))}{note and '. ' + note}"
        nothing = "no row of these has it; Esc shows all again" if read else nothing
    if view is View.DEAD:
        columns, same = distinct(columns, found, room_for=_ERROR, of=_REPEATING)
        note = "; ".join(each for each in (same, note) if each)
    return Page(columns, tuple(found[:MOST_ROWS]), nothing, note)


def _note(snapshot: Snapshot, view: View, read: int) -> str:
    """That there are more than these rows, where that is so."""
    match view:
        case View.HELD:
            total = sum(group.counts.held for group in snapshot.groups)
            lost = sum(held.activity is Activity.SILENT for held in snapshot.held)
            many = f"what workers told, and the lowest ids; GONE {lost:,}"
        case View.DEAD:
            total = sum(group.counts.dead for group in snapshot.groups)
            many = "the newest; `retraced dlq list STREAM --group G [FILTER]` looks at all"
        case _:
            return ""
    return f"{read:,} of {short(total)}: {many}" if read < total else ""


def too_long(held: Holding, p99: Mapping[tuple[bytes, str], float]) -> float | None:
    """How many times the p99 of its type it has run, if that is ten times or more."""
    usual = p99.get((held.keys.prefix, held.type or ""))
    if held.ran_ms is None or held.ran_ms < _TOO_LONG_MS or not usual:
        return None
    times = held.ran_ms / usual
    return times if times >= TOO_LONG else None


def _place(keys: Keys) -> str:
    return printable(f"{keys.stream_name}/{keys.group_name}")


def _groups(snapshot: Snapshot) -> Iterable[Line]:
    for group in snapshot.groups:
        yield _group(group, snapshot.paces.get(group.keys.prefix, Pace()))


def _group(group: GroupView, pace: Pace) -> Line:
    state, tone = _group_state(group)
    where = _place(group.keys)
    cells = (
        state,
        f"{where}: {printable(group.trouble)}" if group.trouble else where,
        counted(group.backlog),
        short(group.counts.held),
        short(group.counts.delayed),
        short(group.counts.dead),
        per_second(pace.completed),
        per_second(pace.failed),
        span(group.oldest_for_ms),
        short(group.workers),
    )
    return Line(where, cells, Target(group.keys), tone)


def _group_state(group: GroupView) -> tuple[str, Tone]:
    if group.trouble:
        return "ERROR", Tone.BAD
    if not group.exists:
        return "GONE", Tone.BAD
    if group.pause:
        return "PAUSED", Tone.TROUBLE
    if not group.workers:
        return "NOBODY", Tone.BAD if group.backlog.value else Tone.TROUBLE
    return "ok", Tone.GOOD


def _held(snapshot: Snapshot) -> Iterable[Line]:
    """What runs too long or has stalled, what runs, what nobody runs any more, and the rest."""
    ranked = [(too_long(held, snapshot.p99), held) for held in snapshot.held]
    ranked.sort(key=_rank)
    for times, held in ranked:
        yield _job(held, times, snapshot)


def _rank(pair: tuple[float | None, Holding]) -> tuple[int, int]:
    times, held = pair
    if times is not None:
        return 0, -(held.ran_ms or 0)
    if held.ran_ms is not None:
        return (1 if held.stalled or held.ignoring else 2), -held.ran_ms
    return (3 if held.activity is Activity.SILENT else 4), -held.idle_ms


def _job(held: Holding, times: float | None, snapshot: Snapshot) -> Line:
    state, tone = _job_state(held, times)
    now_ms, usual = snapshot.now_ms, snapshot.p99.get((held.keys.prefix, held.type or ""))
    where = _place(held.keys)
    cells = (
        state,
        printable(held.job) if held.job else "(removed)",
        "-" if held.type is None else printable(held.type),
        span(held.ran_ms),
        str(held.delivery),
        printable(held.consumer),
        where,
        "-" if usual is None else format_ms(int(usual)),
    )
    key = f"{where} {cells[1]} {cells[5]}"
    facts = JobFacts.of(
        held.job,
        kind=held.type,
        stream=held.keys.stream_name,
        now_ms=now_ms,
        state="held",
        worker=text(held.consumer),
    )
    return Line(key, cells, Target(held.keys, job=held.job), tone, facts)


def _job_state(held: Holding, times: float | None) -> tuple[str, Tone]:
    if times is not None:
        return f"{times:.0f}x p99", Tone.TROUBLE
    if held.stalled or held.ignoring:
        return "STALLED" if held.stalled else "IGNORES", Tone.TROUBLE
    match held.activity:
        case Activity.RUNNING:
            return "running", Tone.PLAIN
        case Activity.SILENT:
            return "GONE", Tone.BAD
        case Activity.PREFETCHED:
            return "fetched", Tone.PLAIN
        case _:
            return "held", Tone.PLAIN


def _workers(snapshot: Snapshot) -> Iterable[Line]:
    """The stalled ones first, else by name."""
    by_name = sorted(snapshot.workers, key=lambda each: (each.consumer, each.keys.prefix))
    for worker in sorted(by_name, key=lambda each: not each.stalled):
        yield _worker(worker)


def _worker(worker: Heartbeat) -> Line:
    state, tone = "ok", Tone.GOOD
    if worker.gone:
        state, tone = "GONE", Tone.BAD
    elif worker.stalled:
        state, tone = "STALLED", Tone.TROUBLE
    where = _place(worker.keys)
    running = "-" if worker.running is None else str(len(worker.running))
    slots = "-" if worker.slots is None else str(worker.slots)
    cells = (
        state,
        printable(worker.consumer),
        where,
        span(worker.still_ms),
        f"{running}/{slots}",
        _longest(worker),
        printable(worker.release or None),
        printable(worker.pid),
    )
    return Line(f"{where} {cells[1]}", cells, Target(worker.keys, consumer=worker.consumer), tone)


def _longest(worker: Heartbeat) -> str:
    """The type of what has run longest. What had only just begun may have ended since."""
    run = next(iter(worker.runs.values()), None)
    if run is None:
        return "-"
    if run.type is None or run.ran_ms is None:
        return printable(run.job)
    if run.ran_ms < _JUST_BEGUN_MS:
        return "-"
    return f"{printable(run.type)} {span(worker.by_now_ms(run))}"


def _dead(snapshot: Snapshot) -> Iterable[Line]:
    for buried in snapshot.letters:
        yield _letter(buried, snapshot.now_ms)


def _letter(buried: Buried, now_ms: int) -> Line:
    letter, where = buried.letter, _place(buried.keys)
    job = printable(letter.job)
    cells = (
        span(max(now_ms - letter.died_ms, 0)),
        job,
        "-" if letter.type is None else printable(letter.type),
        printable(letter.reason),
        str(letter.attempts),
        printable(first_line(letter.error)),
        where,
    )
    invalid = letter.reason == "invalid"
    target = Target(buried.keys, job=letter.job, dead=True, invalid=invalid)
    facts = JobFacts.of(
        letter.job,
        kind=letter.type,
        stream=buried.keys.stream_name,
        now_ms=now_ms,
        state="dead",
        attempt=letter.attempts,
        error=letter.error,
        reason=letter.reason,
        fields=dict(letter.fields),
        died_ms=max(now_ms - letter.died_ms, 0),
    )
    return Line(f"{where} {job}", cells, target, facts=facts)


_NO_GROUPS = """no streams yet. Add a job:
  retraced add emails to=ada@example.org
and start a worker:
  retraced consume emails --group mail --exec ./send.sh"""
_NO_WORKERS = """no worker is alive here. Start one:
  retraced consume STREAM --group G --app MODULE:ATTR"""
_View = tuple[tuple[Column, ...], Callable[[Snapshot], Iterable[Line]], str]
_VIEWS: Mapping[View, _View] = {
    View.GROUPS: (_GROUPS, _groups, _NO_GROUPS),
    View.HELD: (_HELD, _held, "nothing is held by a worker now"),
    View.WORKERS: (_WORKERS, _workers, _NO_WORKERS),
    View.DEAD: (_DEAD, _dead, "no dead letters: nothing to do"),
}
