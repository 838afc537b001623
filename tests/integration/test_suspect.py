"""Suspects: one job alone in a child process, whose death is told from every other end."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from retraced.entry import Entry, decode
from retraced.errors import ConfigError
from retraced.handlers.suspect import SuspectRunner
from retraced.job import Job
from retraced.outcome import (
    Crashed,
    Failed,
    Invalid,
    Outcome,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
    Unhandled,
)
from tests.processes import gone
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT)}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

APP = """
import asyncio, ctypes, json, os, re, signal, subprocess, sys, threading, time
from pathlib import Path
from retraced.errors import Reject, Retry, Snooze
from retraced.job import Job
from retraced.registry import Registry

class App:
    def __init__(self):
        self.registry = Registry()

app = App()

unfit = Registry()
unfit.add("number", lambda raw: None).function.__annotations__["raw"] = bytes

def handler(function):
    app.registry.add(None, function)
    return function

@handler
def tell(job: Job, where: str):
    facts = {name: getattr(job, name) for name in (
        "id", "stream", "group", "type", "attempt", "max_attempts", "fence", "headers",
        "traceparent")}
    facts |= {"body": job.body.decode("latin-1"), "pid": os.getpid(), "sid": os.getsid(0),
              "stdin": sys.stdin.read()}
    Path(where).write_text(json.dumps(facts))

@handler
def number(n: int):
    if n != 5:
        raise ValueError(n)

@handler
async def number_async(n: int):
    await asyncio.sleep(0)
    if n != 5:
        raise Retry(after="2s", reason=f"not {n}")

@handler
def size(job: Job):
    raise Reject(str(len(job.body)))

@handler
def snooze(job: Job):
    raise Snooze("5s")

@handler
def bad_text(job: Job):
    raise ValueError("\\ud800")

@handler
def system_exit(job: Job):
    sys.exit(4)

@handler
def leave(job: Job, code: int):
    os._exit(code)

@handler
async def leave_async(job: Job):
    os._exit(0)

@handler
def kill(job: Job, number: int):
    os.kill(os.getpid(), number)

@handler
def segfault(job: Job):
    ctypes.string_at(0)

@handler
def print_on(job: Job):
    print("to stdout")
    print("to stderr", file=sys.stderr)

@handler
def half_a_word(job: Job):
    for descriptor in range(3, 32):
        try:
            os.write(descriptor, b'{"outcome": "Succeeded"')
        except OSError:
            pass
    os._exit(0)

@handler
def fork_and_return(job: Job):
    if os.fork() == 0:
        raise RuntimeError("the copy comes back too")
    os.wait()

@handler
def leave_threads_behind(job: Job):
    threading.Thread(target=time.sleep, args=(60,)).start()

@handler
def leave_a_process_behind(job: Job, note: str):
    Path(note).write_text(str(subprocess.Popen(["sleep", "60"]).pid))

@handler
def hang(job: Job, note: str):
    child = subprocess.Popen(["sleep", "60"])
    Path(note).write_text(f"{os.getpid()} {child.pid}\\n")
    time.sleep(60)

@handler
def hold_the_gil(job: Job, note: str):
    Path(note).write_text(f"{os.getpid()}\\n")
    re.match(r"(a+)+$", "a" * 64 + "b")

@handler
def ignore_sigterm(job: Job, note: str):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(note).write_text(f"{os.getpid()}\\n")
    time.sleep(60)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module with an `app`, importable by the child."""
    (tmp_path / "suspicious.py").write_text(APP)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "suspicious"


def job_of(kind: str, **fields: object) -> tuple[Job, Entry]:
    flat = [part.encode() for name, value in fields.items() for part in (name, str(value))]
    return entry_of(kind.encode(), *flat)


def entry_of(kind: bytes, *fields: bytes) -> tuple[Job, Entry]:
    entry = decode(b"1732435200000-7", [b"type", kind, *fields], stream="s", max_payload=1 << 22)
    return Job(entry, attempt=3, fence=9, stream="s", group="g", max_attempts=5), entry


async def run(module: str, kind: str, /, **fields: object) -> Outcome:
    return await runner(module).run(*job_of(kind, **fields))


def runner(module: str, **options: Any) -> SuspectRunner:
    options = {"grace_s": 5.0, **options}
    return SuspectRunner(f"{module}:app", environ=ENVIRON, **options)


@pytest.mark.parametrize(
    ("kind", "fields", "outcome"),
    [
        ("number", {"n": 5}, Succeeded()),
        ("number_async", {"n": 5}, Succeeded()),
        ("number_async", {"n": 6}, Failed("not 6", retry_after_ms=2000, kind="retry")),
        ("number", {"n": "x"}, Invalid("payload.n", 'expected int, found "x" (str)')),
        ("snooze", {}, Snoozed(5000)),
        ("nobody", {}, Unhandled("nobody")),
        ("leave_threads_behind", {}, Succeeded()),
        ("fork_and_return", {}, Succeeded()),
    ],
)
async def test_the_outcome_comes_back(
    module: str, kind: str, fields: dict[str, object], outcome: Outcome
) -> None:
    assert await run(module, kind, **fields) == outcome


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("number", "ValueError: 4"),
        ("system_exit", "the handler called sys.exit(4)"),
        ("bad_text", "ValueError: \ud800"),
    ],
)
async def test_an_exception_comes_back_with_its_traceback(
    module: str, kind: str, error: str
) -> None:
    outcome = await run(module, kind, **({"n": 4} if kind == "number" else {}))
    assert isinstance(outcome, Failed)
    assert outcome.error == error
    assert "suspicious.py" in outcome.traceback


async def test_the_handler_sees_the_same_job_in_a_session_of_its_own(
    module: str, tmp_path: Path
) -> None:
    note = tmp_path / "facts.json"
    payload = f'{{"where": "{note}"}}'.encode()
    job, entry = entry_of(
        b"tell", b"payload", payload, b"user", "Adä".encode(), b"traceparent", TRACE.encode()
    )
    assert await runner(module).run(job, entry) == Succeeded()
    facts = json.loads(note.read_text())
    assert facts.pop("pid") == facts.pop("sid") != os.getsid(0)
    assert facts == {
        "id": "1732435200000-7",
        "stream": "s",
        "group": "g",
        "type": "tell",
        "attempt": 3,
        "max_attempts": 5,
        "fence": 9,
        "headers": {"user": "Adä"},
        "traceparent": TRACE,
        "body": payload.decode(),
        "stdin": "",
    }


async def test_a_payload_of_any_bytes_and_size_arrives(module: str) -> None:
    job, entry = entry_of(b"size", b"payload", b"\xff\x00\n" * 500_000)
    assert await runner(module).run(job, entry) == Rejected("1500000")


async def test_stdout_and_stderr_are_the_handlers(
    module: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await run(module, "print_on") == Succeeded()
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("to stdout\n", "to stderr\n")


@pytest.mark.parametrize(
    ("kind", "fields", "how"),
    [
        ("leave", {"code": 3}, "exit code 3"),
        ("leave", {"code": 0}, "exit code 0"),
        ("leave_async", {}, "exit code 0"),
        ("kill", {"number": 9}, "killed by signal SIGKILL"),
        ("kill", {"number": 15}, "killed by signal SIGTERM"),
        ("segfault", {}, "killed by signal SIGSEGV"),
        ("half_a_word", {}, "exit code 0"),
    ],
)
async def test_an_end_without_a_complete_outcome_is_a_death(
    module: str, kind: str, fields: dict[str, object], how: str
) -> None:
    assert await run(module, kind, **fields) == Crashed(how)


async def test_a_timeout_ends_the_child_and_its_children_and_is_no_death(
    module: str, tmp_path: Path
) -> None:
    note = tmp_path / "pids"
    job, entry = job_of("hang", note=note)
    assert await runner(module).run(job, entry, timeout_ms=300) == TimedOut(300)
    for pid in note.read_text().split():
        await eventually(gone(int(pid)), 5, f"process {pid} has ended")


async def test_the_timeout_counts_from_the_handlers_start(module: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time; time.sleep(0.5)\nfrom suspicious import app")
    job, entry = job_of("number", n=5)
    assert await runner("slow").run(job, entry, timeout_ms=400) == Succeeded()


async def test_a_child_that_ignores_sigterm_is_killed_after_the_grace_time(
    module: str, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    started = time.monotonic()
    job, entry = job_of("ignore_sigterm", note=note)
    assert await runner(module, grace_s=0.3).run(job, entry, timeout_ms=200) == TimedOut(200)
    assert time.monotonic() - started < 10
    assert gone(int(note.read_text()))()


async def test_a_cancelled_run_ends_the_child_and_stays_cancelled(
    module: str, tmp_path: Path
) -> None:
    note = tmp_path / "pids"
    task = asyncio.create_task(run(module, "hang", note=note))
    await eventually(lambda: note.exists() and note.read_text().endswith("\n"), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for pid in note.read_text().split():
        await eventually(gone(int(pid)), 5, f"process {pid} has ended")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (None, "there is no module 'other'"),
        ("import not_there_at_all", "its import failed: No module named 'not_there_at_all'"),
        ("1 / 0", "its import failed: ZeroDivisionError"),
        ("import sys; sys.exit(1)", "its import failed: SystemExit"),
        ("x = 1", "has no attribute 'app'"),
        ("app = 5", "that is a int, not an App"),
        ("import os; os._exit(9)", "ended while it imported other:app: exit code 9"),
        (
            "from suspicious import unfit as app",
            "handler 'number': parameter 'raw'",
        ),
    ],
)
async def test_a_child_that_cannot_use_the_app_is_no_death_but_ends_the_worker(
    module: str, tmp_path: Path, source: str | None, text: str
) -> None:
    if source is not None:
        (tmp_path / "other.py").write_text(source)
    with pytest.raises(ConfigError) as failure:
        await run("other", "number", n=5)
    assert text in str(failure.value)


@pytest.mark.parametrize("kind", ["hang", "hold_the_gil"])
async def test_a_killed_parent_leaves_no_child_at_work(
    module: str, tmp_path: Path, kind: str
) -> None:
    note = tmp_path / "pids"
    program = (
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from tests.integration.test_suspect import run\n"
        f"asyncio.run(run({module!r}, {kind!r}, note={str(note)!r}))\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=ENVIRON, cwd=ROOT
    )
    try:
        await eventually(lambda: note.exists() and note.read_text().endswith("\n"), 10)
    finally:
        parent.kill()
        await parent.wait()
    for pid in note.read_text().split():
        await eventually(gone(int(pid)), 5, f"process {pid} has ended")


async def test_what_a_handler_leaves_running_does_not_hold_its_job(
    module: str, tmp_path: Path
) -> None:
    note = tmp_path / "pid"
    started = time.monotonic()
    assert await run(module, "leave_a_process_behind", note=note) == Succeeded()
    assert time.monotonic() - started < 5
    pid = int(note.read_text())
    assert not gone(pid)()
    os.kill(pid, 9)


async def test_several_suspects_run_side_by_side(module: str) -> None:
    outcomes = await asyncio.gather(
        run(module, "number", n=5), run(module, "leave", code=1), run(module, "number_async", n=5)
    )
    assert list(outcomes) == [Succeeded(), Crashed("exit code 1"), Succeeded()]


async def test_a_python_that_cannot_start_is_a_matter_of_configuration(module: str) -> None:
    with pytest.raises(ConfigError, match="can't start /nowhere/python"):
        await runner(module, python="/nowhere/python").run(*job_of("number", n=5))


async def test_runs_leave_no_file_descriptor_behind(module: str) -> None:
    def open_files() -> int:
        gc.collect()  # what earlier tests have left
        return len(list(Path("/proc/self/fd").iterdir()))

    await run(module, "number", n=5)
    before = open_files()
    await run(module, "leave", code=1)
    await runner(module, grace_s=0.2).run(*job_of("ignore_sigterm", note=os.devnull), timeout_ms=1)
    assert open_files() == before
