"""Sentences for people: broken between words, commands whole."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from retraced.cli.prose import wrapped

CREATE = "`retraced groups create orders --group 'accounting and tax'`"


def test_lines_break_between_words_and_commands_stay_whole() -> None:
    text = f"the stream 'orders' has no group 'accounting and tax'. To make it: {CREATE} or so"
    assert wrapped(text, 64, then="  ") == [
        "the stream 'orders' has no group 'accounting and tax'. To make",
        "  it:",
        f"  {CREATE}",
        "  or so",
    ]


def test_a_command_behind_a_colon_gets_its_own_line() -> None:
    back = "retraced dlq requeue payments-of-the-month 1795501170340-0 --group mail"
    assert wrapped(f"  put it back: {back}", 80, then="    ") == ["  put it back:", f"    {back}"]
    assert wrapped(f"put it back: {back} --edit", 40) == ["put it back:", f"{back} --edit"]


def test_words_keep_their_distances_and_marks_stay_with_a_command() -> None:
    assert wrapped("12:00  1-0  failed: no route to the host (`retraced x y`).", 40) == [
        "12:00  1-0  failed: no route to the host",
        "(`retraced x y`).",
    ]


def test_what_fits_stays_as_it_is() -> None:
    text = "  two  spaces\nand a line\n"
    assert wrapped(text, 80) == ["  two  spaces", "and a line", ""]


def _stderr(*words: str, terminal: bool) -> str:
    """What the command says on stderr, at 60 columns."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "COLUMNS": "60"}
    command = [sys.executable, "-m", "retraced", *words]
    where = theirs if terminal else subprocess.PIPE
    ran = subprocess.run(command, stderr=where, stdout=subprocess.DEVNULL, env=env, check=False)
    os.close(theirs)
    try:
        return os.read(ours, 65536).decode().replace("\r\n", "\n") if terminal else _text(ran)
    finally:
        os.close(ours)


def _text(ran: subprocess.CompletedProcess[bytes]) -> str:
    return ran.stderr.decode()


def test_errors_fit_a_terminal_and_are_one_line_in_a_pipe() -> None:
    for words in (
        ("--url", "redis://127.0.0.1:1", "streams"),  # one of ours
        ("zzz",),  # one of click's
    ):
        piped, shown = _stderr(*words, terminal=False), _stderr(*words, terminal=True)
        [line] = [line for line in piped.splitlines() if line.startswith("Error: ")]
        assert len(line) > 60
        assert max(map(len, shown.splitlines())) <= 60
        assert " ".join(line.split()) in " ".join(shown.split())


def test_a_command_on_a_line_of_its_own_stays_whole() -> None:
    line = "  retraced delayed run-now emails --group mail --all --yes --limit 56"
    assert wrapped(f"stopped. This does the rest:\n{line}", 40)[-1] == line
