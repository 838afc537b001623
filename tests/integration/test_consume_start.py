"""How `retraced consume` starts: waiting, refusing, and where a new group begins."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from retraced.embedded import find_binary
from tests.accounts import Account
from tests.integration.test_consume import add
from tests.servers import Server, free_port
from tests.waiting import wait_until
from tests.workers import Crew, Ledger

WITHOUT_UNBLOCK = ("-client", "+client|id")  # 6.2 can't take a single subcommand away


def test_a_worker_waits_for_redis_says_so_once_and_starts_by_itself(
    private_server: Server, private_crew: Crew
) -> None:
    private_server.stop()
    worker = private_crew.consume("later", "--drain")
    worker.hears("waiting_for_redis")
    with pytest.raises(subprocess.TimeoutExpired):
        worker.process.wait(2)
    private_server.start()
    assert worker.ends() == 0
    assert len(worker.said("waiting_for_redis")) == 1


def test_a_worker_that_waits_for_redis_ends_on_a_signal(crew: Crew, stream: str) -> None:
    worker = crew.consume(stream, RETRACED_URL=f"redis://127.0.0.1:{free_port()}")
    worker.hears("waiting_for_redis")
    assert worker.stop() == 0


def test_a_wrong_password_ends_the_worker_with_four_and_is_not_printed(
    crew: Crew, stream: str, server: Server
) -> None:
    url = f"redis://someone:hunter2@127.0.0.1:{server.port}"
    worker = crew.consume(stream, RETRACED_URL=url)
    assert worker.ends() == 4
    assert "hunter2" not in worker.text


@pytest.mark.parametrize("right", ["zadd", "xclaim", "xautoclaim", "unlink", "xtrim", "unblock"])
def test_a_missing_right_ends_the_worker_with_four_before_the_first_job(
    crew: Crew, raw: Any, stream: str, server: Server, ledger: Ledger, right: str
) -> None:
    add(raw, stream, type="note")
    without = WITHOUT_UNBLOCK if right == "unblock" else (f"-{right}",)
    raw.execute_command("ACL", "SETUSER", "limited", "on", ">pass", "~*", "&*", "+@all", *without)
    try:
        url = f"redis://limited:pass@127.0.0.1:{server.port}"
        worker = crew.consume(stream, "--drain", RETRACED_URL=url)
        assert worker.ends() == 4
    finally:
        raw.execute_command("ACL", "DELUSER", "limited")
    assert right in worker.text.lower()
    assert ledger.lines() == []
    assert Account(raw, stream).left() == {"stream": 1}


def test_all_missing_rights_are_named_at_once(
    crew: Crew, raw: Any, stream: str, server: Server
) -> None:
    rules = ("~*", "&*", "+@read", "+@connection")
    raw.execute_command("ACL", "SETUSER", "reader", "on", ">pass", *rules)
    try:
        url = f"redis://reader:pass@127.0.0.1:{server.port}"
        worker = crew.consume(stream, RETRACED_URL=url)
        assert worker.ends() == 4
    finally:
        raw.execute_command("ACL", "DELUSER", "reader")
    assert "ACL SETUSER" in worker.text
    for right in ("+evalsha", "+time", "+xreadgroup", "+xack", "+hset", "+zadd", "+unlink"):
        assert right in worker.text


def test_a_worker_that_lost_the_right_to_end_its_read_asks_for_it_once(
    crew: Crew, raw: Any, stream: str, server: Server
) -> None:
    raw.execute_command("ACL", "SETUSER", "lesser", "on", ">pass", "~*", "&*", "+@all")
    try:
        url = f"redis://lesser:pass@127.0.0.1:{server.port}"
        worker = crew.consume(stream, RETRACED_URL=url).ready()
        wait_until(lambda: any("b" in each["flags"] for each in raw.client_list()), 5, "it reads")
        raw.execute_command("ACL", "SETUSER", "lesser", *WITHOUT_UNBLOCK)
        assert worker.stop() == 0
    finally:
        raw.execute_command("ACL", "DELUSER", "lesser")
    assert len(worker.said("unblock_denied")) == 1
    denials = [each for each in raw.acl_log() if each["username"] == "lesser"]
    assert sum(each["count"] for each in denials) == 1


def test_tls_to_a_server_without_it_ends_the_worker_with_four(
    crew: Crew, stream: str, server: Server
) -> None:
    worker = crew.consume(stream, RETRACED_URL=f"rediss://127.0.0.1:{server.port}")
    assert worker.ends() == 4
    assert "use redis://" in worker.text


def test_no_tls_to_a_server_that_wants_it_ends_the_worker_with_four(
    crew: Crew, stream: str, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2"),
        ],
        check=True,
        capture_output=True,
    )
    program = (
        "import ssl,sys,socket\n"
        "context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n"
        "context.load_cert_chain(sys.argv[2], sys.argv[1])\n"
        "server = socket.create_server(('127.0.0.1', int(sys.argv[3])))\n"
        "while True:\n"
        "    connection, _ = server.accept()\n"
        "    try: context.wrap_socket(connection, server_side=True).close()\n"
        "    except OSError: pass\n"
    )
    port = free_port()
    impostor = subprocess.Popen(
        [sys.executable, "-c", program, str(key), str(certificate), str(port)]
    )
    try:
        wait_until(lambda: _listens(port), 10, "it listens")
        plain = crew.consume(stream, RETRACED_URL=f"redis://127.0.0.1:{port}")
        untrusted = crew.consume(stream, RETRACED_URL=f"rediss://127.0.0.1:{port}")
        assert plain.ends() == 4
        assert "use rediss://" in plain.text
        assert untrusted.ends() == 4
        assert "certificate" in untrusted.text
    finally:
        impostor.kill()
        impostor.wait()


def _listens(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "arguments",
    [
        ("--exec", "/no/such/command"),
        ("--app", "tests.nothing:app"),
        ("--app", "tests.jobs:missing"),
        ("--app", "tests.jobs:app", "--exec", "true"),
        ("--app", "tests.jobs:app", "--visibility-timeout", "1s"),
        ("--app", "tests.jobs:app", "--from", "yesterday"),
        ("--app", "tests.jobs:app", "--backoff", "whenever"),
    ],
    ids=" ".join,
)
def test_what_can_not_work_ends_the_worker_with_two(
    crew: Crew, stream: str, arguments: tuple[str, ...]
) -> None:
    assert crew.consume(stream, *arguments).ends() == 2


def test_a_key_that_is_no_stream_ends_the_worker_at_its_start(
    crew: Crew, raw: Any, stream: str
) -> None:
    raw.set(stream, "text")
    worker = crew.consume(stream)
    assert worker.ends() == 1
    assert "not a stream" in worker.text


def test_a_stream_with_foreign_groups_is_worked_only_after_consent(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="note")
    raw.xgroup_create(stream, "someone-elses", "0")
    worker = crew.consume(stream, "--drain")
    assert worker.ends() == 6
    assert "someone-elses" in worker.text
    assert "--delete-settled" in worker.text
    assert "--retain" in worker.text
    assert len(raw.xinfo_groups(stream)) == 1
    assert crew.drain(stream, "--delete-settled").ends() == 0
    assert ledger.jobs("done") == [job]
    assert raw.xlen(stream) == 1, "the other group still needs it"
    assert crew.drain(stream).ends() == 0, "consent is asked for once"


def test_a_group_of_that_name_that_is_not_ours_is_worked_only_after_consent(
    crew: Crew, raw: Any, stream: str
) -> None:
    raw.xgroup_create(stream, "g", "0", mkstream=True)
    worker = crew.consume(stream, "--drain")
    assert worker.ends() == 6
    assert "not of ReTraced" in worker.text
    assert crew.drain(stream, "--delete-settled").ends() == 0


def test_a_stream_with_old_entries_is_worked_only_after_consent(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    raw.xadd(stream, {"type": "note"}, id="1500000000000-0")
    worker = crew.consume(stream, "--drain")
    assert worker.ends() == 6
    assert "more than a day ago" in worker.text
    assert crew.drain(stream, "--delete-settled").ends() == 0
    assert ledger.jobs("done") == ["1500000000000-0"]


def test_a_group_begins_where_it_is_told(crew: Crew, raw: Any, stream: str, ledger: Ledger) -> None:
    seconds, _ = raw.time()
    base = (seconds - 600) * 1000
    ids = [f"{base + n * 1000}-0" for n in range(5)]
    for entry in ids:
        raw.xadd(stream, {"type": "note"}, id=entry)
    raw.xgroup_create(stream, "keeper", "0")
    expected = {
        "start": ids,
        ids[1]: ids[2:],
        str(base + 3000): ids[4:],
        f"{_rfc3339(base + 3000)}": ids[3:],
        "now": [],
    }
    for number, (start, jobs) in enumerate(expected.items()):
        before = len(ledger.lines())
        arguments = ("--from", start, "--delete-settled")
        assert crew.drain(stream, *arguments, group=f"g{number}").ends() == 0
        assert ledger.jobs("done")[before:] == jobs, start


def _rfc3339(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def test_from_is_only_for_a_new_group(crew: Crew, raw: Any, stream: str, ledger: Ledger) -> None:
    assert crew.drain(stream).ends() == 0
    job = add(raw, stream, type="note")
    assert crew.drain(stream, "--from", "now").ends() == 0
    assert ledger.jobs("done") == [job]


def test_the_visibility_timeout_is_the_groups_and_a_worker_with_another_is_told(
    crew: Crew, raw: Any, stream: str
) -> None:
    assert crew.drain(stream, "--visibility-timeout", "7s").ends() == 0
    worker = crew.drain(stream, "--visibility-timeout", "9s")
    assert worker.ends() == 0
    [joined] = worker.said("joined")
    assert joined["visibility_ms"] == 7000
    assert worker.said("visibility_ignored")


def test_a_worker_refuses_a_group_of_a_newer_protocol(crew: Crew, raw: Any, stream: str) -> None:
    assert crew.drain(stream).ends() == 0
    raw.hset(Account(raw, stream).keys.state, "protocol", 2)
    worker = crew.consume(stream)
    assert worker.ends() == 2
    assert "protocol 2" in worker.text


def test_with_retain_a_foreign_stream_is_worked_and_keeps_its_entries(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    job = add(raw, stream, type="note")
    raw.xgroup_create(stream, "someone-elses", "$")
    assert crew.drain(stream, "--retain", "all").ends() == 0
    assert ledger.jobs("done") == [job]
    assert raw.xlen(stream) == 1
    assert raw.hget(Account(raw, stream).keys.settings, "retain") == b"all"
    assert crew.drain(stream, group="late").ends() == 0
    assert ledger.jobs("done") == [job, job], "a late group gets what was retained"


def test_what_a_person_set_to_be_retained_stays_while_workers_run(
    crew: Crew, raw: Any, stream: str
) -> None:
    keys = Account(raw, stream).keys
    crew.consume(stream, "--retain", "7d").ready()
    assert raw.hget(keys.settings, "retain") == b"7d"
    raw.hdel(keys.settings, "retain", "retain_ms", "retain_count")
    raw.hset(keys.state, "max_attempts", 3)
    raw.hincrby(keys.state, "version", 1)  # as `groups set` does: the worker reads all facts anew
    joined = raw.info("commandstats")["cmdstat_evalsha"]["calls"]
    wait_until(
        lambda: raw.info("commandstats")["cmdstat_evalsha"]["calls"] > joined + 4, 10, "calls"
    )
    assert raw.hget(keys.settings, "retain") is None


@pytest.mark.parametrize("spec", ["0", "a week", "-1d"])
def test_a_retention_that_can_not_be_understood_ends_the_worker_with_two(
    crew: Crew, stream: str, spec: str
) -> None:
    worker = crew.consume(stream, "--retain", spec)
    assert worker.ends() == 2
    assert "--retain" in worker.text


def test_a_stream_that_did_not_exist_is_named(crew: Crew, raw: Any, stream: str) -> None:
    worker = crew.drain(stream)
    assert worker.said("stream_created")[0]["stream"] == stream
    assert not crew.drain(stream).said("stream_created")
    assert not crew.drain(stream, group="other").said("stream_created")


def test_a_late_group_is_told_what_it_will_not_get(
    crew: Crew, raw: Any, stream: str, ledger: Ledger
) -> None:
    add(raw, stream, type="note")
    first = crew.drain(stream)
    assert not first.said("late_group")
    late = crew.drain(stream, group="late")
    [line] = late.said("late_group")
    assert "the 0 jobs that are left" in line["what"]
    assert len(ledger.lines("done")) == 1
    assert not crew.drain(stream, group="late").said("late_group"), "only once"


def test_handlers_that_are_meant_for_other_streams_are_warned_of(
    crew: Crew, raw: Any, stream: str, tmp_path: Path
) -> None:
    (tmp_path / "shop.py").write_text(
        "from retraced import App\n"
        "app = App()\n"
        "@app.handler('send', stream='emails')\n"
        "async def send(): ...\n"
    )
    worker = crew.drain(stream, "--app", "shop:app", PYTHONPATH=str(tmp_path))
    assert worker.ends() == 0
    [line] = worker.said("no_handler_for_stream")
    assert (line["stream"], line["handlers"]) == (stream, "send (emails)")


def test_a_worker_that_starts_while_redis_is_full_says_so_and_works_what_was_accepted(
    private_server: Server, private_crew: Crew
) -> None:
    with redis.Redis.from_url(private_server.url) as client:
        job = add(client, "full", type="note")
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        worker = private_crew.drain("full")
        assert worker.ends() == 0
        assert "new jobs are refused" in worker.said("redis_full")[0]["what"]
        assert private_crew.ledger.jobs("done") == [job]


def test_a_worker_waits_for_a_redis_that_is_loading_its_data(
    tmp_path: Path,
) -> None:
    port = free_port()
    crew = Crew(f"redis://127.0.0.1:{port}", tmp_path)
    flags = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path))
    slow = ("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
    with redis.Redis(port=port) as client, _running(*flags):
        wait_until(lambda: _listens(port), 10, "it listens")
        job = add(client, "jobs", type="note")
        client.mset({f"other-{number}": b"x" * 2000 for number in range(2000)})
        client.save()
    with _running(*flags, *slow):
        wait_until(lambda: _listens(port), 10, "it listens")
        worker = crew.drain("jobs")
        assert worker.ends() == 0
    assert "loading" in worker.said("waiting_for_redis")[0]["error"]
    assert crew.ledger.jobs("done") == [job]


@contextmanager
def _running(*flags: str) -> Iterator[None]:
    server = subprocess.Popen([find_binary(), *flags], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()
