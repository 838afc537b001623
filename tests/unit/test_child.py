"""Our ends of a child's pipes."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path

import pytest

from retraced.handlers.child import Child
from retraced.handlers.exits import returned
from retraced.handlers.pipes import Reading, Writing


async def test_what_is_left_in_a_pipe_is_taken_before_it_is_closed() -> None:
    taken: list[bytes] = []
    pipe = Reading(taken.append)
    pipe.open()
    os.write(pipe.theirs, b"last words")
    pipe.close()
    assert taken == [b"last words"]


async def test_a_pipe_that_others_still_hold_does_not_keep_its_reader() -> None:
    taken: list[bytes] = []
    pipe = Reading(taken.append)
    pipe.open()
    others = os.dup(pipe.theirs)
    pipe.begin()
    pipe.listen()
    pipe.close()
    os.close(others)


def test_return_codes_in_words() -> None:
    assert returned(3) == "exit code 3"
    assert returned(-11) == "killed by signal SIGSEGV"
    assert returned(-99) == "killed by signal 99"


def script(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho {says}\n")
    (folder / name).chmod(0o755)


async def said(*command: str, path: str = os.defpath) -> str:
    taken: list[bytes] = []
    child = Child.start(
        command, env={"PATH": path}, stdin=Writing(b""), stdout=Reading(taken.append)
    )
    assert await child.wait() == 0
    child.close()
    return b"".join(taken).decode()


async def test_a_command_is_looked_up_in_the_path_of_its_own_environment(tmp_path: Path) -> None:
    script(tmp_path / "a", "tell-me", "a")
    script(tmp_path / "b", "tell-me", "b")
    (tmp_path / "b" / "only-data").write_text("not a command")
    script(tmp_path / "c", "only-data", "c")
    path = f"{tmp_path}/none:{tmp_path}/b:{tmp_path}/a:{tmp_path}/c"
    assert await said("tell-me", path=path) == "b\n"
    (tmp_path / "b" / "tell-me").unlink()
    assert await said("tell-me", path=path) == "a\n"
    assert await said("only-data", path=path) == "c\n"
    with pytest.raises(FileNotFoundError):
        await said("nowhere-to-be-found", path=path)


async def test_a_child_has_none_of_our_descriptors() -> None:
    ours, others = os.pipe()
    assert len((await said("ls", "/proc/self/fd")).split()) == 4  # three, and the listing's own
    os.close(ours)
    os.close(others)


async def test_an_end_is_seen_where_there_is_no_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(pid: int) -> int:
        raise PermissionError(pid)

    monkeypatch.setattr(os, "pidfd_open", forbidden)
    child = Child.start(("sh", "-c", "exit 7"), env={}, stdin=Writing(b""))
    assert await asyncio.wait_for(child.wait(), 5) == 7
    child.close()


def reaped(pid: int) -> bool:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


async def test_two_thousand_children_leave_nothing_behind() -> None:
    pids: list[int] = []

    async def some() -> None:
        for _ in range(250):
            child = Child.start(("true",), env={"PATH": os.defpath}, stdin=Writing(b"x"))
            pids.append(child.pid)
            assert await child.wait() == 0
            child.close()

    await some()
    before = open_files()
    await asyncio.gather(*(some() for _ in range(8)))
    assert open_files() == before
    assert all(reaped(pid) for pid in pids)


def open_files() -> int:
    gc.collect()  # what earlier tests have left
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_child_whose_waiter_gave_up_is_reaped_all_the_same() -> None:
    child = Child.start(("sleep", "0.1"), env={"PATH": os.defpath}, stdin=Writing(b""))
    assert not await child.left(0.01)
    child.close()
    assert await child.wait() == 0
    assert reaped(child.pid)
