"""`--exec`: a command for each job, and everything its contract promises (real processes)."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from retraced.entry import decode
from retraced.errors import ConfigError
from retraced.handlers.process import ProcessRunner
from retraced.job import Job
from retraced.outcome import Failed, Outcome, Rejected, Succeeded, TimedOut
from tests.processes import gone
from tests.waiting import eventually

pytestmark = pytest.mark.by_turns

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def job_of(*fields: bytes, attempt: int = 1, fence: int = 1) -> Job:
    entry = decode(b"1732435200000-7", fields, stream="mails", max_payload=1 << 22)
    return Job(entry, attempt=attempt, fence=fence, stream="mails", group="send", max_attempts=5)


PLAIN = (b"type", b"mail", b"payload", b"{}")


class Output:
    """The lines of stdout."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, job: Job, line: str) -> None:
        assert job.id == "1732435200000-7"
        self.lines.append(line)


def shell(script: str) -> str:
    return f"sh -c {shlex.quote(script)}"


def python(script: str) -> str:
    return f"{sys.executable} -c {shlex.quote(script)}"


async def run(command: str, body: bytes = b"{}", **options: Any) -> tuple[Outcome, list[str]]:
    output = Output()
    runner = ProcessRunner(command, on_line=output, grace_s=options.pop("grace_s", 2.0))
    runner.check()
    outcome = await runner.run(options.pop("job", job_of(*PLAIN)), body, **options)
    return outcome, output.lines


async def test_the_body_comes_on_stdin_byte_by_byte_and_stdout_goes_to_the_log() -> None:
    outcome, lines = await run("cat", b'{"to": "ada"}\nsecond\xff line')
    assert outcome == Succeeded()
    assert lines == ['{"to": "ada"}', "second\ufffd line"]


async def test_a_bare_entry_comes_as_json() -> None:
    job = job_of(b"to", b"ada@example.org", b"subject", b"hi")
    _, lines = await run("cat", job.body, job=job)
    assert orjson.loads(lines[0]) == {"to": "ada@example.org", "subject": "hi"}


async def test_the_command_is_split_once_and_no_shell_sees_it() -> None:
    outcome, lines = await run("printf '%s\\n' 'two words' '$HOME' ';' '*'")
    assert outcome == Succeeded()
    assert lines == ["two words", "$HOME", ";", "*"]


async def test_a_relative_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "print.sh"
    script.write_text("#!/bin/sh\ncat; echo\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert await run("./print.sh", b"body") == (Succeeded(), ["body"])


async def test_the_environment_tells_the_job_and_hides_the_settings() -> None:
    job = job_of(
        *PLAIN, b"user", b"Ad\xc3\xa4", b"traceparent", TRACE.encode(),
        attempt=3, fence=9,
    )  # fmt: skip
    output = Output()
    environ = {
        "PATH": os.environ["PATH"],
        "MINE": "kept",
        "REDIS_URL": "redis://:secret@host",
        "REDISCLI_AUTH": "secret",
        "RETRACED_URL": "redis://:secret@host",
        "TRACEPARENT": "the worker's own",
        "TRACESTATE": "the worker's own",
    }
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    runner = ProcessRunner(python(program), environ=environ, on_line=output)
    assert await runner.run(job, b"") == Succeeded()
    seen = json.loads(output.lines[0])
    headers = json.loads(seen.pop("RETRACED_JOB_HEADERS"))
    for name in ("PATH", "LC_CTYPE", "PWD", "SHLVL", "_"):
        seen.pop(name, None)
    assert headers == {"user": "Adä"}
    assert seen == {
        "MINE": "kept",
        "RETRACED_JOB_ID": "1732435200000-7",
        "RETRACED_JOB_TYPE": "mail",
        "RETRACED_JOB_STREAM": "mails",
        "RETRACED_JOB_GROUP": "send",
        "RETRACED_JOB_ATTEMPT": "3",
        "RETRACED_JOB_FENCE": "9",
        "TRACEPARENT": TRACE,
    }


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ("exit 0", Succeeded()),
        ("echo no such user >&2; exit 65", Rejected("exit code 65", "no such user")),
        ("echo busy >&2; exit 75", Failed("exit code 75: busy")),
        ("exit 3", Failed("exit code 3")),
        ("kill -SEGV $$", Failed("killed by signal SIGSEGV")),
        ("echo hm >&2; kill -KILL $$", Failed("killed by signal SIGKILL: hm")),
        ("echo warning >&2", Succeeded()),
    ],
)
async def test_the_exit_code_is_the_outcome(script: str, outcome: Outcome) -> None:
    assert (await run(shell(script)))[0] == outcome


async def test_the_tail_of_stderr_is_the_error() -> None:
    script = "import sys; sys.stderr.buffer.write(b'x' * 100_000 + b'\\xff the end'); sys.exit(1)"
    outcome, _ = await run(python(script))
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("exit code 1: xxx")
    assert outcome.error.endswith("xx\ufffd the end")
    assert len(outcome.error) < 4200


async def test_stdout_of_any_shape_becomes_lines() -> None:
    script = "import sys; sys.stdout.buffer.write(b'a\\r\\n\\nb\\xc3' + b'y' * 20_000 + b'\\nlast')"
    _, lines = await run(python(script))
    assert lines[0:2] == ["a", ""]
    assert "".join(lines[2:-1]) == "b\ufffd" + "y" * 20_000
    assert max(map(len, lines)) <= 8192
    assert lines[-1] == "last"


async def test_all_of_a_large_output_arrives() -> None:
    _, lines = await run(python("print('0123456789' * 100 + '\\n', end='', flush=True)\n" * 300))
    assert lines == ["0123456789" * 100] * 300


async def test_a_large_body_arrives_whole() -> None:
    program = "import sys; print(len(sys.stdin.buffer.read()))"
    assert await run(python(program), b"x" * (1 << 20)) == (Succeeded(), [str(1 << 20)])


async def test_a_command_that_never_reads_its_stdin_is_no_failure() -> None:
    assert await run("true", b"x" * (1 << 20)) == (Succeeded(), [])
    assert await run(shell("exec <&-; sleep 0.1; echo done"), b"x" * (1 << 20)) == (
        Succeeded(),
        ["done"],
    )


async def test_a_command_that_closes_its_output_early_is_waited_for() -> None:
    started = time.monotonic()
    outcome, _ = await run(shell("exec >&- 2>&-; sleep 0.2; exit 3"))
    assert outcome == Failed("exit code 3")
    assert time.monotonic() - started >= 0.2


async def test_grandchildren_that_hold_the_output_do_not_hang_the_job() -> None:
    started = time.monotonic()
    outcome, lines = await run(shell("sleep 30 & echo $!; exit 0"))
    assert outcome == Succeeded()
    assert time.monotonic() - started < 5
    os.kill(int(lines[0]), signal.SIGKILL)  # it was left alone, as any command's daemon is


async def test_the_timeout_ends_the_whole_process_group(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! > {pids}; echo $$ >> {pids}; wait"
    outcome, _ = await run(shell(script), timeout_ms=300)
    assert outcome == TimedOut(300)
    for pid in pids.read_text().split():
        await eventually(gone(int(pid)), 5, f"process {pid} has ended")


async def test_a_group_that_ignores_sigterm_gets_sigkill_after_the_grace_time(
    tmp_path: Path,
) -> None:
    pids = tmp_path / "pids"
    stubborn = "trap '' TERM; while :; do sleep 0.05; done"
    script = f"({stubborn}) & echo $! > {pids}; echo $$ >> {pids}; wait"
    started = time.monotonic()
    outcome, _ = await run(shell(script), timeout_ms=200, grace_s=0.4)
    assert outcome == TimedOut(200)
    assert 0.5 < time.monotonic() - started < 5
    for pid in pids.read_text().split():
        await eventually(gone(int(pid)), 5, f"process {pid} has ended")


async def test_a_group_gets_the_grace_time_to_end_by_itself(tmp_path: Path) -> None:
    note = tmp_path / "note"
    script = f"trap 'sleep 0.1; echo tidy > {note}; exit 0' TERM; sleep 60 & wait"
    outcome, _ = await run(shell(script), timeout_ms=200)
    assert outcome == TimedOut(200)
    assert note.read_text() == "tidy\n"


async def test_a_cancelled_job_ends_its_process_group_and_stays_cancelled(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! > {pids}; echo $$ >> {pids}; wait"
    task = asyncio.create_task(run(shell(script)))
    await eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for pid in pids.read_text().split():
        await eventually(gone(int(pid)), 5, f"process {pid} has ended")


async def test_a_second_cancellation_kills_at_once(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    told = tmp_path / "told"
    script = f"trap 'echo > {told}' TERM; echo $$ > {pids}; while :; do sleep 0.05; done"
    task = asyncio.create_task(run(shell(script), grace_s=60))
    await eventually(lambda: pids.exists() and pids.read_text().strip())
    task.cancel()
    await eventually(told.exists, 5, "it has had its SIGTERM")
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    await eventually(gone(int(pids.read_text())), 5, "the process has ended")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("no-such-command-here x", "'no-such-command-here' not found on PATH"),
        ("./missing.sh", "'./missing.sh' not found from"),
        ("./plain.txt", "'./plain.txt' isn't executable; try chmod +x"),
        ("./folder", "'./folder' is a directory"),
        ("'unbalanced", "can't split"),
        ("  ", "the command is empty"),
    ],
)
def test_a_command_that_cannot_run_is_refused_at_the_start(
    command: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as refusal:
        ProcessRunner(command).check()
    assert text in str(refusal.value)


async def test_a_command_that_vanished_fails_the_attempt(tmp_path: Path) -> None:
    script = tmp_path / "there.sh"
    script.write_text("no interpreter named")
    script.chmod(0o755)
    runner = ProcessRunner(str(script))
    runner.check()
    outcome = await runner.run(job_of(*PLAIN), b"")
    assert isinstance(outcome, Failed)
    assert "does it begin with #!/bin/sh" in outcome.error
    script.unlink()
    outcome = await runner.run(job_of(*PLAIN), b"")
    assert isinstance(outcome, Failed)
    assert "No such file" in outcome.error


async def test_headers_too_large_for_an_environment_bury_the_job() -> None:
    outcome, _ = await run("true", job=job_of(*PLAIN, b"header", b"x" * 200_000))
    assert isinstance(outcome, Rejected)
    assert "headers don't fit" in outcome.reason


async def test_runs_leave_no_file_descriptor_behind(tmp_path: Path) -> None:
    def open_files() -> int:
        gc.collect()  # what earlier tests have left
        return len(list(Path("/proc/self/fd").iterdir()))

    await run("true")
    before = open_files()
    await run("cat", b"x" * 100_000)
    await run("true", b"x" * (1 << 20))
    await run(shell("sleep 60"), timeout_ms=50)
    await ProcessRunner(str(tmp_path / "missing")).run(job_of(*PLAIN), b"x")
    assert open_files() == before
