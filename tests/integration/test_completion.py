"""Completion in real shells: names from the server, at once, and silence when there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from retraced.cli.main import main
from retraced.cli.names import known
from tests.commands import run
from tests.servers import Server

pytestmark = pytest.mark.by_turns

GONE = "redis://127.0.0.1:1"

# What readline does: it breaks words at blanks, `:` and `=`, and takes what the function answers
# for the last of them.
PRESS_TAB = r"""
source "$SCRIPT"
COMP_LINE="$LINE" COMP_POINT=${#LINE}
read -ra COMP_WORDS <<< "$(sed -E 's/([:=]+)/ \1 /g' <<< "$LINE")"
[[ "$LINE" == *[[:space:]] ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_retraced_completion retraced
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Where `retraced` is found, and nothing else is set."""
    folder = str(Path(sys.executable).parent)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path)}


def pressed(line: str, environ: dict[str, str], tmp_path: Path) -> list[str]:
    """What bash is offered when Tab is pressed behind this line."""
    script = tmp_path / "completion.bash"
    script.write_text(run(GONE, "completion", "bash", form="").out)
    done = subprocess.run(
        ["bash", "-c", PRESS_TAB],
        env={**environ, "SCRIPT": str(script), "LINE": line},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_streams_groups_and_states(
    url: str, stream: str, environ: dict[str, str], tmp_path: Path
) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    run(url, "groups", "create", f"{stream}:eu", "--group", "audit")
    at = {**environ, "RETRACED_URL": url}
    assert pressed("retraced tr", at, tmp_path) == ["trace"]
    assert pressed("retraced dlq sh", at, tmp_path) == ["show"]
    assert pressed("retraced trace --gr", at, tmp_path) == ["--group"]
    assert pressed("retraced trace test-", at, tmp_path) == [stream, f"{stream}:eu"]
    assert pressed(f"retraced trace {stream}:", at, tmp_path) == ["eu"]
    assert pressed(f"retraced pending {stream} --group ", at, tmp_path) == ["mail"]
    assert pressed(f"retraced pending {stream}:eu --group ", at, tmp_path) == ["audit"]
    assert pressed(f"retraced consume {stream}=2 --group ", at, tmp_path) == ["mail"]
    assert pressed(f"retraced workers {stream}", at, tmp_path) == [stream, f"{stream}:eu"]
    assert pressed("retraced workers ch", at, tmp_path) == ["check"]
    assert pressed("retraced jobs list s --group g sta", at, tmp_path) == ["state="]
    assert pressed("retraced jobs list s --group g state=de", at, tmp_path) == ["dead", "delayed"]
    assert pressed("retraced events s --event de", at, tmp_path) == ["dead", "delayed"]
    assert pressed("retraced streams -o js", at, tmp_path) == ["json", "jsonl"]


def test_the_url_of_the_command_line_counts_wherever_it_stands(
    url: str, stream: str, environ: dict[str, str], tmp_path: Path
) -> None:
    run(url, "groups", "create", stream, "--group", "mail")
    assert pressed(f"retraced --url {url} trace ", environ, tmp_path) == [stream]
    assert pressed(f"retraced trace --url {url} ", environ, tmp_path) == [stream]


def test_without_a_server_nothing_is_completed_nothing_said_and_none_started(
    environ: dict[str, str], tmp_path: Path
) -> None:
    began = time.monotonic()
    assert pressed("retraced trace ", {**environ, "RETRACED_URL": GONE}, tmp_path) == []
    embedded = {**environ, "RETRACED_URL": "embedded://here"}
    assert pressed("retraced trace ", embedded, tmp_path) == []
    assert not (tmp_path / "here").exists()
    assert time.monotonic() - began < 10


def test_a_broken_settings_file_is_no_news_for_a_shell(
    environ: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "retraced.toml").write_text("url = \n")
    assert pressed("retraced tr", environ, tmp_path) == ["trace"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_its_shell_can_read(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    script = tmp_path / "script"
    script.write_text(run(GONE, "completion", shell, form="").out)
    subprocess.run([shell, "-n", str(script)], check=True, timeout=20)


def test_a_server_that_hangs_holds_the_shell_up_for_a_second_at_most(
    private_server: Server,
) -> None:
    run(private_server.url, "groups", "create", "emails", "--group", "mail")
    words = ["--url", private_server.url]
    with main.make_context("retraced", words, resilient_parsing=True) as ctx:
        assert known(ctx) == [("emails", "mail")]
        private_server.pause()
        began = time.monotonic()
        assert known(ctx) == []
        assert time.monotonic() - began < 2
