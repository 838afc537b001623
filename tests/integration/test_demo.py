"""`retraced demo`: its sums are right, and it leaves nothing behind, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until

pytestmark = [pytest.mark.by_turns, pytest.mark.slow, pytest.mark.timeout(120)]


class Demo:
    """The demo in a process of its own, with its temporary files in `place`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._shown = place.parent / "shown"
        with self._shown.open("wb") as shown:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "retraced", "demo"],
                cwd=place,
                env=os.environ | {"TMPDIR": str(place), "RETRACED_CONCURRENCY": "no number"},
                stdin=subprocess.DEVNULL,
                stdout=shown,
                stderr=subprocess.STDOUT,
            )

    @property
    def shown(self) -> str:
        return self._shown.read_text()

    def ended(self) -> int:
        """Its exit code."""
        return self.process.wait(timeout=90)

    def left(self) -> list[str]:
        """Files, and processes that were started for it: all work in its directory."""
        return [*map(str, self.place.iterdir()), *_processes_in(self.place)]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    place = tmp_path / "place"
    place.mkdir()
    demo = Demo(place)
    yield demo
    if demo.process.poll() is None:
        demo.process.terminate()
        demo.process.wait()


def test_the_demo_shows_every_kind_of_trouble_and_its_sums_are_right(demo: Demo) -> None:
    assert demo.ended() == 0, demo.shown
    assert re.search(r"^OK \([0-9.]+ s\): each job ended once", demo.shown, re.MULTILINE)
    for what in (
        "delayed until its time; due in",
        "failed, attempt 2",
        "was killed with SIGKILL",
        "was ended by a job",
        "taken over, by",
        "crashed: its process died",
        "buried as poison",
        "buried as exhausted",
        "buried as rejected",
        "buried as invalid",
        "put back in the queue",
    ):
        assert what in demo.shown
    assert demo.shown.count("was ended by a job") == 2, "a pill takes at most two workers with it"
    assert _sums(demo.shown, "jobs added", "= done", "+ dead") == [0, 0]
    assert demo.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ended_in_the_middle_the_demo_leaves_nothing(demo: Demo, number: signal.Signals) -> None:
    wait_until(lambda: "failed," in demo.shown, 30, "jobs that fail")
    demo.process.send_signal(number)
    assert demo.ended() == 1
    assert demo.shown.rstrip().endswith("Aborted!")
    assert "Traceback" not in demo.shown
    wait_until(lambda: not demo.left(), 5, "its processes and files are gone")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the worker in Linux's /proc")
def test_a_demo_that_goes_wrong_says_why_and_leaves_nothing(demo: Demo) -> None:
    wait_until(lambda: "failed," in demo.shown, 30, "jobs that fail")
    (worker,) = [pid for pid in _pids_in(demo.place) if b"mail-1" in _command(pid)]
    os.kill(worker, signal.SIGKILL)
    assert demo.ended() == 1
    assert "the worker mail-1 ended with -9" in demo.shown
    assert "Traceback" not in demo.shown
    wait_until(lambda: not demo.left(), 5, "its processes and files are gone")


def _sums(shown: str, total: str, *parts: str) -> list[int]:
    """For each group, the total less its parts."""
    rows = [
        [int(number) for number in re.findall(r" (\d+)\b", line.split(name, 1)[1])]
        for name in (total, *parts)
        for line in shown.splitlines()
        if line.strip().startswith(name)
    ]
    assert len(rows) == 1 + len(parts)
    return [column[0] - sum(column[1:]) for column in zip(*rows, strict=True)]


def _processes_in(place: Path) -> list[str]:
    return [f"{pid} {_command(pid).decode(errors='replace')}" for pid in _pids_in(place)]


def _pids_in(place: Path) -> list[int]:
    """Processes whose working directory is the place or below it; needs Linux's /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            directory = (process / "cwd").readlink()
        except OSError:  # it ended, or belongs to somebody else
            continue
        if Path(str(directory).removesuffix(" (deleted)")).is_relative_to(place):
            found.append(int(process.name))
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
