"""`retraced add`: what it writes, what it prints, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from tests.commands import run
from tests.driver import stored
from tests.servers import free_port

pytestmark = pytest.mark.by_turns


def test_pairs_make_a_bare_entry_and_its_id_is_printed(
    url: str, stream: str, raw: redis.Redis
) -> None:
    ran = run(url, "add", stream, "to=ada@example.org", "subject=a=b", form="")
    [(entry, fields)] = stored(raw, stream)
    assert fields == {b"to": b"ada@example.org", b"subject": b"a=b"}
    assert ran.out == f"{entry}\n"


def test_payload_type_delay_and_headers(url: str, stream: str, raw: redis.Redis) -> None:
    run(
        url,
        *("add", stream, "tenant=eu", "--type", "send", "--payload", '{"n": 1}'),
        *("--delay", "10m"),
    )
    fields = stored(raw, stream)[0][1]
    assert fields == {
        b"tenant": b"eu",
        b"type": b"send",
        b"delay": b"10m",
        b"payload": b'{"n": 1}',
    }


def test_each_option_of_a_job_becomes_its_field(
    url: str, stream: str, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETRACED_TIMEOUT", "9s")
    run(url, "add", stream, "a=b", "--expires", "1h", "--max-attempts", "3")
    run(url, "add", stream, "--backoff", "fixed:1s", "--timeout", "5m", "--type", "t")
    assert [fields for _, fields in stored(raw, stream)] == [
        {b"a": b"b", b"expires": b"1h", b"max_attempts": b"3"},
        {b"type": b"t", b"backoff": b"fixed:1s", b"timeout": b"5m"},
    ]


def test_a_bare_number_in_a_field_is_milliseconds_as_on_the_wire(
    url: str, stream: str, raw: redis.Redis
) -> None:
    assert run(url, "add", stream, "a=b", "delay=10").code == 0
    assert stored(raw, stream)[0][1][b"delay"] == b"10"


def test_the_payload_may_come_from_a_file_or_standard_input_as_any_bytes(
    url: str, stream: str, raw: redis.Redis, tmp_path: Path
) -> None:
    file = tmp_path / "body"
    file.write_bytes(b"\xff\x00raw")
    run(url, "add", stream, "--payload", f"@{file}")
    run(url, "add", stream, "--payload", "-", stdin=b"\xfe")
    assert [fields[b"payload"] for _, fields in stored(raw, stream)] == [b"\xff\x00raw", b"\xfe"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--delay", "soon"], "delay"),
        (["--delay", "10"], "write 10s or 10ms"),
        (["--timeout", "10"], "write 10s or 10ms"),
        (["--expires", "10"], "write 10s or 10ms"),
        (["--expires", "2026-13-01"], "expires"),
        (["--max-attempts", "0"], "max_attempts"),
        (["--backoff", "never"], "backoff"),
        (["delay=soon"], "delay"),
        (["--run-at", "tomorrow"], "run_at"),
        (["max_attempts=0"], "max_attempts"),
        (["--payload", "{to: ada}"], "--payload"),
        (["--payload", "@/no/such/file"], "/no/such/file"),
        (["nonsense"], "FIELD=VALUE"),
        (["type=a", "--type", "b"], "type"),
        ([], "FIELD=VALUE"),
        (["a=b", "--ndjson", "-"], "--ndjson"),
    ],
)
def test_what_would_be_buried_is_refused_by_name(
    url: str, stream: str, raw: redis.Redis, arguments: list[str], named: str
) -> None:
    ran = run(url, "add", stream, *arguments)
    assert ran.code == 2
    assert named in ran.err
    assert not raw.exists(stream)


def test_lines_become_jobs_in_order(
    url: str, stream: str, raw: redis.Redis, tmp_path: Path
) -> None:
    file = tmp_path / "jobs.ndjson"
    file.write_text(
        '{"type": "send", "payload": {"to": "ada"}, "delay": "10m"}\n'
        "\n"
        '{"to": "bob", "n": 3}\n'
        '{"type": "send", "to": "eve"}\n'
        '{"payload": null, "headers": {"tenant": "eu"}}\n'
    )
    ran = run(url, "add", stream, "--ndjson", str(file))
    entries = stored(raw, stream)
    assert ran.code == 0
    assert [row["id"] for row in ran.rows] == [entry for entry, _ in entries]
    assert [fields for _, fields in entries] == [
        {b"type": b"send", b"payload": b'{"to":"ada"}', b"delay": b"10m"},
        {b"payload": b'{"to":"bob","n":3}'},
        {b"type": b"send", b"payload": b'{"to":"eve"}'},
        {b"payload": b"null", b"tenant": b"eu"},
    ]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("{to: ada}", "not JSON"),
        ("[1]", "array"),
        ('{"payload": {}, "color": "red"}', "color"),
        ('{"delay": 30, "a": 1}', "delay"),
        ('{"delay": "soon", "a": 1}', "delay"),
        ('{"payload": 1, "headers": []}', "headers"),
    ],
)
def test_a_bad_line_is_named_and_all_before_it_are_added_and_printed(
    url: str, stream: str, raw: redis.Redis, bad: str, why: str
) -> None:
    lines = [json.dumps({"n": n}) for n in range(700)]
    ran = run(url, "add", stream, "--ndjson", "-", stdin="\n".join([*lines, bad, '{"n": 701}']))
    assert ran.code == 1
    assert "line 701 of standard input" in ran.err
    assert why in ran.err
    assert "700 jobs known to be added" in ran.err
    assert [row["id"] for row in ran.rows] == [entry for entry, _ in stored(raw, stream)]
    assert len(ran.rows) == 700


def test_no_lines_add_nothing_and_say_so(url: str, stream: str, raw: redis.Redis) -> None:
    ran = run(url, "add", stream, "--ndjson", "-", stdin="\n\n")
    assert ran.code == 0
    assert "nothing was added" in ran.err
    assert not raw.exists(stream)


def test_a_refused_line_tells_the_first_that_is_missing(
    url: str, stream: str, raw: redis.Redis
) -> None:
    raw.set(stream, "not a stream")
    ran = run(url, "add", stream, "--ndjson", "-", stdin='{"n": 1}\n{"n": 2}\n')
    assert ran.code == 1
    assert "2 lines from line 1 on were refused" in ran.err


def test_nobody_there_is_exit_4(stream: str) -> None:
    ran = run(f"redis://127.0.0.1:{free_port()}", "add", stream, "a=b")
    assert ran.code == 4


def test_help_shows_an_example(url: str) -> None:
    assert "retraced add emails to=ada@example.org" in run(url, "add", "--help").out
