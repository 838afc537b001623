"""`retraced jobs export`: what is still to be done, whole, and how it is added again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.commands import run
from tests.stock import fill

pytestmark = pytest.mark.by_turns

GROUP = ("--group", "mail")


def exported(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_all_that_is_still_to_be_done_is_exported_whole(
    url: str, stream: str, raw: redis.Redis, tmp_path: Path
) -> None:
    stocked = fill(url, stream, each=3)
    file = tmp_path / "jobs.jsonl"
    ran = run(url, "jobs", "export", stream, str(file), *GROUP)
    assert (ran.code, ran.out) == (0, "")
    lines = exported(file)
    kinds = ("unread", "delayed", "ready", "held", "held_again")
    alive = [job for kind in kinds for job in getattr(stocked, kind)]
    assert sorted(line["id"] for line in lines) == sorted(alive)
    assert f"exported {len(alive)} jobs" in ran.err
    for line in lines:
        fields = dict(line["fields"])
        assert json.loads(fields["payload"])
        assert not any(name.startswith("@") for name in fields)


def test_what_was_exported_can_be_added_again_byte_for_byte(
    url: str, stream: str, raw: redis.Redis, tmp_path: Path
) -> None:
    run(url, "groups", "create", stream, *GROUP)
    whole: dict[Any, Any] = {
        b"type": b"send",
        b"payload": b"\x00\xff{",
        b"delay": b"5s",
        b"tenant": b"a",
    }
    raw.xadd(stream, whole)
    raw.xadd(stream, {"to": "ada", "tenant": "b"})
    file = tmp_path / "jobs.jsonl"
    assert run(url, "jobs", "export", stream, str(file), *GROUP, "header.tenant=a").code == 0
    again = run(url, "add", f"{stream}-again", "--ndjson", str(file), form="")
    assert again.code == 0, again.err
    [(_, fields)] = raw.xrange(f"{stream}-again") or []
    assert fields == whole
    raw.unlink(f"{stream}-again")


def test_a_file_that_is_there_is_not_overwritten(url: str, stream: str, tmp_path: Path) -> None:
    run(url, "groups", "create", stream, *GROUP)
    file = tmp_path / "jobs.jsonl"
    file.write_text("mine")
    assert run(url, "jobs", "export", stream, str(file), *GROUP).code == 6
    assert file.read_text() == "mine"


def test_a_delayed_job_keeps_all_of_its_fields(url: str, stream: str, tmp_path: Path) -> None:
    stocked = fill(url, stream, each=2, kinds=("delayed",))
    file = tmp_path / "jobs.jsonl"
    term = f"id={stocked.delayed[0]}"
    assert run(url, "jobs", "export", stream, str(file), *GROUP, term, "payload.user>0").code == 0
    shown = run(url, "jobs", "show", stream, stocked.delayed[0]).rows[0]
    assert [dict(line["fields"]) for line in exported(file)] == [shown["fields"]]
