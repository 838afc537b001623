"""`retraced dlq requeue`: some of many, mended, edited, once and not twice."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from retraced.keys import Keys
from tests.commands import run
from tests.driver import stored
from tests.integration.dead import PAYLOAD, Death, bury_all
from tests.waiting import wait_until
from tests.workers import Crew

pytestmark = pytest.mark.by_turns

INVALID = Death('payload.user: expected int, found "x" (str)', "invalid",
                ("type", "send", "payload", '{"user": "x"}'))  # fmt: skip


def requeued(raw: redis.Redis, stream: str) -> list[dict[bytes, bytes]]:
    """The entries that were put back, without what ReTraced added."""
    entries = stored(raw, Keys.of(stream, "mail").ready)
    return [
        {name: value for name, value in fields.items() if name[:1] != b"@"} for _, fields in entries
    ]


def left(raw: redis.Redis, stream: str) -> int:
    return int(raw.xlen(Keys.of(stream, "mail").dlq))


def test_a_filter_wants_a_yes_and_then_takes_what_matches_oldest_first(
    url: str, stream: str, raw: redis.Redis
) -> None:
    jobs = bury_all(url, stream, [Death(f"busy {n}") for n in range(70)] + [Death("lost")] * 5)
    words = ("dlq", "requeue", stream, "--group", "mail", "error:busy")
    asked = run(url, *words)
    assert (asked.code, left(raw, stream)) == (6, 75)
    assert "would requeue 70 of 75 dead letters" in asked.err
    counted = run(url, *words, "--dry-run")
    assert (counted.code, left(raw, stream)) == (0, 75)
    assert counted.rows[0]["count"] == 70
    assert counted.rows[0]["examples"] == jobs[:10]
    done = run(url, *words, "--yes")
    assert (done.code, left(raw, stream)) == (0, 5)
    assert [row["id"] for row in done.rows] == jobs[:70]


def test_a_limit_and_a_rate_are_kept(url: str, stream: str, raw: redis.Redis) -> None:
    bury_all(url, stream, [Death()] * 20)
    words = ("dlq", "requeue", stream, "--group", "mail", "--all", "--yes")
    assert run(url, *words, "--limit", "7", "--rate", "100/s").code == 0
    assert left(raw, stream) == 13
    assert run(url, *words).code == 0
    assert left(raw, stream) == 0


def test_a_second_run_does_nothing_twice(url: str, stream: str, raw: redis.Redis) -> None:
    jobs = bury_all(url, stream, [Death()] * 12)
    run(url, "dlq", "requeue", stream, "--group", "mail", jobs[3], jobs[4])
    ran = run(url, "dlq", "requeue", stream, "--group", "mail", *jobs[:6])
    assert [row["result"] for row in ran.rows] == ["requeued"] * 3 + ["refused"] * 2 + ["requeued"]
    assert ran.code == 6
    assert len(requeued(raw, stream)) == 6


def test_a_letter_whose_record_is_lost_is_put_back(url: str, stream: str, raw: redis.Redis) -> None:
    jobs = bury_all(url, stream, [Death()] * 600)
    raw.delete(Keys.of(stream, "mail").job(jobs[0].encode()))
    ran = run(url, "dlq", "requeue", stream, "--group", "mail", jobs[0])
    assert ran.rows[0]["result"] == "requeued"


def test_set_changes_the_payload_and_the_story_says_so(
    url: str, stream: str, raw: redis.Redis
) -> None:
    [job] = bury_all(url, stream, [Death()])
    ran = run(
        url,
        *("dlq", "requeue", stream, job, "--group", "mail", "--set", "payload.user=43"),
        *("--set", "header.tenant=eu", "--set", "timeout=5m", "--set", "type=other"),
    )
    assert ran.code == 0, ran.err
    [fields] = requeued(raw, stream)
    assert fields == {
        b"type": b"other", b"payload": b'{"user":43,"to":"ada"}', b"tenant": b"eu",
        b"timeout": b"5m",
    }  # fmt: skip
    [story] = run(url, "trace", stream, job).rows
    assert sorted(story["events"][-1]["edited"]) == ["payload", "tenant", "timeout", "type"]
    table = run(url, "trace", stream, job, form="table").out
    assert "changed" in table
    assert "payload" in table


def test_set_works_on_many_and_refuses_those_it_doesnt_fit(
    url: str, stream: str, raw: redis.Redis
) -> None:
    jobs = bury_all(url, stream, [Death(), Death(fields=("payload", "text")), Death()])
    ran = run(url, "dlq", "requeue", stream, "--group", "mail", "--all", "--yes",
              "--set", "payload.user=43")  # fmt: skip
    assert [(row["id"], row["result"]) for row in ran.rows] == [
        (jobs[0], "requeued"), (jobs[1], "refused"), (jobs[2], "requeued"),
    ]  # fmt: skip
    assert "isn't JSON" in ran.rows[1]["why"]
    assert (ran.code, left(raw, stream)) == (6, 1)


def test_a_bare_entrys_fields_are_set_and_unset(url: str, stream: str, raw: redis.Redis) -> None:
    [job] = bury_all(url, stream, [Death(fields=("to", "ada", "@odd", "1", "gone", "x"))])
    changes = ("--set", "to=bob", "--set", "@odd=2", "--set", "@new=3", "--unset", "gone")
    ran = run(url, "dlq", "requeue", stream, job, "--group", "mail", *changes)
    assert ran.code == 0
    [(_, fields)] = stored(raw, Keys.of(stream, "mail").ready)
    own = {name: value for name, value in fields.items() if name[:2] == b"@@" or name[:1] != b"@"}
    assert own == {b"to": b"bob", b"@@odd": b"2", b"@@new": b"3"}


def test_an_entry_with_very_many_fields_is_changed(url: str, stream: str, raw: redis.Redis) -> None:
    many = tuple(part for n in range(1_200) for part in (f"f{n}", str(n)))
    [job] = bury_all(url, stream, [Death(fields=many)])
    ran = run(url, "dlq", "requeue", stream, job, "--group", "mail", "--set", "f7=x",
              "--unset", "f8")  # fmt: skip
    assert ran.code == 0, ran.err
    record = raw.hgetall(Keys.of(stream, "mail").job(job.encode()))
    assert record[b"f:f7"] == b"x"
    assert b"f:f8" not in record


def test_the_schedule_is_dropped_unless_it_is_kept_or_set(
    url: str, stream: str, raw: redis.Redis
) -> None:
    fields = ("type", "send", "delay", "1h", "expires", "2h")
    jobs = bury_all(url, stream, [Death(fields=fields)] * 3)
    words = ("dlq", "requeue", stream, "--group", "mail")
    run(url, *words, jobs[0])
    run(url, *words, jobs[1], "--keep-schedule")
    run(url, *words, jobs[2], "--set", "delay=1s")
    assert requeued(raw, stream) == [
        {b"type": b"send"},
        {b"type": b"send", b"delay": b"1h", b"expires": b"2h"},
        {b"type": b"send", b"delay": b"1s"},
    ]


def test_an_invalid_one_is_refused_until_what_was_wrong_is_changed(
    url: str, stream: str, raw: redis.Redis
) -> None:
    [job] = bury_all(url, stream, [INVALID])
    words = ("dlq", "requeue", stream, job, "--group", "mail")
    for more in ((), ("--set", "payload.other=1"), ("--set", "type=x")):
        ran = run(url, *words, *more)
        assert ran.code == 6
        assert ran.rows[0]["why"].startswith("payload.user: expected int")
        assert "--even-invalid" in ran.err
    assert left(raw, stream) == 1
    assert run(url, *words, "--set", "payload.user=43").code == 0
    assert requeued(raw, stream)[0][b"payload"] == b'{"user":43}'


@pytest.mark.parametrize("change", ["timeout=soon", "max_attempts=many", "run_at=soon"])
def test_a_change_that_would_be_buried_again_is_refused_naming_the_field(
    url: str, stream: str, raw: redis.Redis, change: str
) -> None:
    [job] = bury_all(url, stream, [Death()])
    ran = run(url, "dlq", "requeue", stream, job, "--group", "mail", "--set", change)
    assert ran.code == 6
    assert f"{change.partition('=')[0]}: " in ran.rows[0]["why"]
    assert left(raw, stream) == 1


def test_show_says_how_often_it_was_put_back_and_by_whom(url: str, stream: str, crew: Crew) -> None:
    [job] = bury_all(url, stream, [Death(fields=("type", "hopeless"))])
    for change in ("header", "again"):
        ran = run(url, "dlq", "requeue", stream, job, "--group", "mail", "--set", f"x={change}",
                  "--set", "max_attempts=1")  # fmt: skip
        assert ran.code == 0, ran.err
        crew.drain(stream, group="mail")
    shown = run(url, "dlq", "show", stream, job, "--group", "mail", form="table").out
    assert "put back   twice, last by " in shown
    assert "changed x" in shown


class Editor:
    """A program in place of a person's editor: replaces texts, one step for each time it opens."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen = path / "seen"
        self._program = path / "edit"
        self._steps = path / "steps"
        self._meanwhile = path / "meanwhile"
        self._program.write_text(
            "#!/usr/bin/env python3\n"
            "import json, os, pathlib, subprocess, sys\n"
            f"seen, steps = pathlib.Path({str(self.seen)!r}), pathlib.Path({str(self._steps)!r})\n"
            "file = pathlib.Path(sys.argv[1]); text = file.read_text()\n"
            "seen.write_text((seen.read_text() if seen.exists() else '') + text)\n"
            "first, *rest = json.loads(steps.read_text())\n"
            "steps.write_text(json.dumps(rest))\n"
            "file.write_text(text.replace(*first))\n"
            f"meanwhile = pathlib.Path({str(self._meanwhile)!r})\n"
            "if meanwhile.exists():\n"
            "    subprocess.run(json.loads(meanwhile.read_text()), check=True)\n"
            "os.utime(file, (1, file.stat().st_mtime + 5))\n"
        )
        self._program.chmod(self._program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("VISUAL", str(self._program))

    def meanwhile(self, *command: str) -> None:
        """What somebody else does while it is open."""
        self._meanwhile.write_text(json.dumps(command))

    def will(self, *steps: tuple[str, str]) -> None:
        self._steps.write_text(json.dumps(steps))


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    return Editor(tmp_path, monkeypatch)


def test_an_edited_entry_is_put_back_as_it_was_edited(
    url: str, stream: str, raw: redis.Redis, editor: Editor
) -> None:
    [job] = bury_all(url, stream, [INVALID])
    editor.will(('"user": "x"', '"user": 43'))
    ran = run(url, "dlq", "requeue", stream, job, "--group", "mail", "--edit")
    assert (ran.code, [row["result"] for row in ran.rows]) == (0, ["requeued"])
    assert requeued(raw, stream) == [{b"type": b"send", b"payload": b'{"user":43}'}]
    assert "expected int" in editor.seen.read_text()


def test_a_wrong_edit_is_asked_again_and_given_up_without_a_trace(
    url: str, stream: str, raw: redis.Redis, editor: Editor
) -> None:
    [job] = bury_all(url, stream, [Death()])
    words = ("dlq", "requeue", stream, job, "--group", "mail", "--edit")
    editor.will(('"type"', '"timeout"'), ("{", "["))
    ran = run(url, *words, stdin="y\nn\n")
    assert ran.code == 6
    assert "timeout: " in ran.err
    assert "nothing was put back" in ran.err
    assert (left(raw, stream), requeued(raw, stream)) == (1, [])
    editor.will(('"type"', '"timeout"'), ('"timeout"', '"type"'))
    assert run(url, *words, stdin="y\n").code == 0
    assert requeued(raw, stream) == [{b"type": b"send", b"payload": PAYLOAD.encode()}]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("printf '\\n\\377' >>", "that can't be: line 13 isn't UTF-8"),
        ("rm", "what the editor left can't be read (No such file or directory)"),
    ],
)
def test_what_an_editor_ruins_is_told_and_nothing_is_put_back(
    url: str, stream: str, raw: redis.Redis, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path, command: str, says: str,
) -> None:  # fmt: skip
    [job] = bury_all(url, stream, [Death()])
    program = tmp_path / "edit"
    program.write_text(f'#!/bin/sh\n{command} "$1"\n')
    program.chmod(0o700)
    monkeypatch.setenv("VISUAL", str(program))
    ran = run(url, "dlq", "requeue", stream, job, "--group", "mail", "--edit", stdin="n\n")
    assert ran.code == 6
    assert says in ran.err
    assert "nothing was put back" in ran.err
    assert (left(raw, stream), requeued(raw, stream)) == (1, [])


def test_a_job_that_is_put_back_while_it_is_edited_isnt_put_back_twice(
    url: str, stream: str, raw: redis.Redis, editor: Editor
) -> None:
    [job] = bury_all(url, stream, [Death()])
    words = ("dlq", "requeue", stream, job, "--group", "mail")
    editor.will(("42", "43"))
    editor.meanwhile(sys.executable, "-m", "retraced", "--url", url, *words)
    ran = run(url, *words, "--edit")
    assert ran.code == 6
    assert "queued" in ran.err
    assert [fields[b"payload"] for fields in requeued(raw, stream)] == [PAYLOAD.encode()]


def test_two_who_put_all_back_at_once_double_nothing(
    url: str, stream: str, raw: redis.Redis
) -> None:
    jobs = bury_all(url, stream, [Death()] * 300)
    words = ("dlq", "requeue", stream, "--group", "mail", "--all", "--yes")
    command = [sys.executable, "-m", "retraced", "--url", url, *words]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    for each in both:
        each.wait(30)
    ready = stored(raw, Keys.of(stream, "mail").ready)
    assert sorted(fields[b"@job"].decode() for _, fields in ready) == sorted(jobs)
    assert left(raw, stream) == 0


def test_what_dies_after_the_start_is_left_alone(url: str, stream: str, raw: redis.Redis) -> None:
    jobs = bury_all(url, stream, [Death()] * 40)
    words = ("dlq", "requeue", stream, "--group", "mail", "--all", "--yes", "--rate", "25/s")
    command = [sys.executable, "-m", "retraced", "--url", url, *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        wait_until(lambda: left(raw, stream) < 40, 10, "the first is put back")
        late = bury_all(url, stream, [Death()] * 3)
        assert running.wait(30) == 0
    ready = stored(raw, Keys.of(stream, "mail").ready)
    assert sorted(fields[b"@job"].decode() for _, fields in ready) == sorted(jobs)
    assert [row["id"] for row in run(url, "dlq", "list", stream, "--group", "mail").rows] == late[
        ::-1
    ]


def test_edit_is_for_one_job(url: str, stream: str) -> None:
    jobs = bury_all(url, stream, [Death()] * 2)
    for words in (jobs, ["--all", "--yes"], ["type=send", "--yes"], [jobs[0], "--set", "a=b"]):
        assert run(url, "dlq", "requeue", stream, *words, "--group", "mail", "--edit").code == 2


def test_a_dry_run_counts_apart_what_would_be_refused(
    url: str, stream: str, raw: redis.Redis
) -> None:
    jobs = bury_all(url, stream, [Death()] * 12 + [INVALID] * 2)
    words = ("dlq", "requeue", stream, "--group", "mail")
    for which in (("--all",), ("type=send",), jobs):
        ran = run(url, *words, *which, "--dry-run")
        assert ran.rows[0]["count"] == 12
        assert f"2 dead letters would be refused, first {jobs[12]}: payload.user: " in ran.err
    asked = run(url, *words, "--all")
    assert asked.code == 6
    assert "would requeue 12 of 14 dead letters" in asked.err
    assert "2 dead letters would be refused" in asked.err
    assert run(url, *words, "1-1", "--dry-run").rows[0]["count"] == 0
    only = run(url, *words, "reason=invalid", form="table")
    assert (only.code, "would requeue none: all that match" in only.err) == (6, True)
    assert "nothing to do" not in only.err
    counted = run(url, *words, "reason=invalid", "--dry-run", form="table")
    assert (counted.code, "no other dead letters in group mail" in counted.err) == (0, True)
    assert left(raw, stream) == 14
