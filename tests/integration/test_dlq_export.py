"""`retraced dlq purge` and `dlq export`: what goes, what is kept, and how it comes back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import redis

from retraced.keys import Keys
from tests.commands import run
from tests.driver import stored
from tests.integration.dead import Death, bury_all

pytestmark = pytest.mark.by_turns

RAW = Death(
    "boom \x07", "rejected", (b"type", b"send", b"payload", b"\x00\xff\x80{", b"delay", b"5s")
)
MANY = Death(fields=tuple(part for n in range(1_100) for part in (f"f{n}", str(n))))


def left(raw: redis.Redis, stream: str) -> int:
    return int(raw.xlen(Keys.of(stream, "mail").dlq))


def test_purge_says_what_is_lost_and_wants_a_yes(url: str, stream: str, raw: redis.Redis) -> None:
    jobs = bury_all(url, stream, [Death("busy")] * 3 + [Death("lost")] * 2)
    words = ("dlq", "purge", stream, "--group", "mail")
    for some in ((jobs[0],), ("error:busy",), ("--all",)):
        ran = run(url, *words, *some)
        assert ran.code == 6
        assert "can't be brought back" in ran.err
        assert "would purge" in ran.err
    assert run(url, *words, "error:busy", "--dry-run").rows[0]["count"] == 3
    assert left(raw, stream) == 5
    assert run(url, *words, "error:busy", "--yes").code == 0
    assert left(raw, stream) == 2
    [row] = run(url, *words, jobs[3], "--yes").rows
    assert row == {"id": jobs[3], "result": "purged", "why": ""}
    [story] = run(url, "trace", stream, jobs[0]).rows
    assert story["state"] == "purged"


def test_purge_of_what_isnt_dead_is_exit_3(url: str, stream: str) -> None:
    bury_all(url, stream, [Death()])
    assert run(url, "dlq", "purge", stream, "1-1", "--group", "mail").code == 3
    assert run(url, "dlq", "purge", stream, "1-1", "--group", "mail", "--yes").code == 3


def test_an_export_has_every_byte_and_the_story(
    url: str, stream: str, raw: redis.Redis, tmp_path: Path
) -> None:
    jobs = bury_all(url, stream, [RAW, MANY, Death()])
    file = tmp_path / "dead.jsonl"
    ran = run(url, "dlq", "export", stream, str(file), "--group", "mail")
    assert (ran.code, ran.out) == (0, "")
    assert "3 dead letters" in ran.err
    first, many, last = [json.loads(line) for line in file.read_text().splitlines()]
    assert [first["id"], many["id"], last["id"]] == jobs
    assert first["fields"] == [
        ["type", "send"], ["payload", {"base64": "AP+Aew=="}], ["delay", "5s"],
    ]  # fmt: skip
    assert (first["error"], first["reason"], first["group"]) == ("boom \x07", "rejected", "mail")
    assert first["facts"]["@job"] == jobs[0]
    assert [event["event"] for event in first["events"]] == ["dead"]
    assert len(many["fields"]) == 1_100
    assert left(raw, stream) == 3


def test_an_export_comes_back_as_new_jobs(
    url: str, stream: str, raw: redis.Redis, tmp_path: Path
) -> None:
    bury_all(url, stream, [RAW, MANY, Death()])
    file = tmp_path / "dead.jsonl"
    run(url, "dlq", "export", stream, str(file), "--group", "mail")
    run(url, "dlq", "purge", stream, "--group", "mail", "--all", "--yes")
    ran = run(url, "add", stream, "--ndjson", str(file), form="id")
    assert ran.code == 0, ran.err
    first, many, last = [fields for _, fields in stored(raw, stream)]
    assert first == {b"type": b"send", b"payload": b"\x00\xff\x80{"}
    assert len(many) == 1_100
    assert last == {b"type": b"send", b"payload": b'{"user": 42, "to": "ada"}'}


def test_a_part_of_an_export_chosen_with_jq_comes_back(
    url: str, stream: str, raw: redis.Redis, tmp_path: Path
) -> None:
    bury_all(url, stream, [Death(fields=("type", "charge")), Death()])
    file = tmp_path / "dead.jsonl"
    run(url, "dlq", "export", stream, str(file), "--group", "mail")
    jq = subprocess.run(
        ["jq", "-c", 'select(.type == "send")', str(file)], capture_output=True, check=True
    )
    assert run(url, "add", stream, "--ndjson", "-", stdin=jq.stdout).code == 0
    assert [fields[b"type"] for _, fields in stored(raw, stream)] == [b"send"]


def test_a_filter_and_ids_choose_what_is_exported(url: str, stream: str) -> None:
    jobs = bury_all(url, stream, [Death(f"busy {n}") for n in range(30)] + [Death("lost")])
    ran = run(url, "dlq", "export", stream, "-", "error:busy", "--group", "mail")
    assert [row["id"] for row in ran.rows] == jobs[:30]
    ran = run(url, "dlq", "export", stream, "-", jobs[30], jobs[2], "--group", "mail")
    assert [row["id"] for row in ran.rows] == [jobs[30], jobs[2]]
    assert run(url, "dlq", "export", stream, "-", "1-1", "--group", "mail").code == 3


def test_an_existing_file_isnt_overwritten(url: str, stream: str, tmp_path: Path) -> None:
    bury_all(url, stream, [Death()])
    file = tmp_path / "dead.jsonl"
    file.write_text("mine")
    ran = run(url, "dlq", "export", stream, str(file), "--group", "mail")
    assert (ran.code, file.read_text()) == (6, "mine")
    assert run(url, "dlq", "export", stream, f"{tmp_path}/no/such", "--group", "mail").code == 2


def test_a_group_that_isnt_there_leaves_no_file(url: str, stream: str, tmp_path: Path) -> None:
    bury_all(url, stream, [Death()])
    file = tmp_path / "dead.jsonl"
    assert run(url, "dlq", "export", stream, str(file), "--group", "sms").code == 3
    assert not file.exists()
