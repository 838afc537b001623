"""Each command explains itself: a line, examples that can be run, all within 80 columns."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from retraced.cli.main import COMMANDS, main
from retraced.cli.sections import SECTIONS, summary
from tests.commands import understood

_ENDS = {"|", ">", ">>", "<", "&&", ";", "&"}


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The path of a command and of each of its parts."""
    yield path
    if isinstance(command, click.Group):
        for name, part in command.commands.items():
            yield from walk(part, (*path, name))


def loaded(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


EVERY = [path for name in sorted(COMMANDS) for path in walk(loaded(name), (name,))]


def help_of(path: tuple[str, ...]) -> str:
    result = CliRunner().invoke(main, [*path, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return result.output


def examples(text: str) -> list[str]:
    """Lines of a help text that are commands to be run."""
    return re.findall(r"^ +(?:Example: )?(retraced [^ ].*)$", text, re.MULTILINE)


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_command_has_examples_that_its_parser_takes(path: tuple[str, ...]) -> None:
    text = help_of(path)
    lines = examples(text)
    assert lines, f"no example in\n{text}"
    for line in lines:
        words = shlex.split(line.replace("...", ""), comments=True)[1:]
        ends = [at for at, word in enumerate(words) if word in _ENDS]
        understood(words[: ends[0]] if ends else words)


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_no_example_has_an_operator_that_a_shell_would_take_for_its_own(
    path: tuple[str, ...],
) -> None:
    for line in examples(help_of(path)):
        assert not re.search(r"\w[<>]", re.sub(r"'[^']*'", "''", line)), line


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_help_fits_80_columns(path: tuple[str, ...]) -> None:
    assert [line for line in help_of(path).splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_the_summaries_of_the_parts_of_a_group_arent_cut(path: tuple[str, ...]) -> None:
    parts = help_of(path).partition("\nCommands:\n")[2]
    assert [line for line in parts.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_every_help_begins_with_a_sentence(path: tuple[str, ...]) -> None:
    lines = help_of(path).splitlines()
    assert lines[2].strip(), "no summary"
    assert "\\b" not in "\n".join(lines)


def test_every_command_has_its_line_in_a_section_and_every_line_its_command() -> None:
    assert {name for name in COMMANDS if summary(name) is None} == set()
    assert {name for part in SECTIONS.values() for name in part} == set(COMMANDS)
    text = help_of(())
    assert "  trace       One job's story" in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["strems"], "Did you mean 'streams'?"),
        (["dlq", "lst"], "Did you mean 'list'?"),
        (["dlq", "list", "s", "--grop", "g"], "--group"),
        (["-o", "jso", "streams"], "Did you mean 'json'?"),
        (["streams", "-o", "jsno"], "Did you mean 'json'?"),
        (["jobs", "list", "s", "--group", "g", "--state", "ded"], "Did you mean 'dead'?"),
        (["completion", "bsh"], "Did you mean 'bash'?"),
    ],
)
def test_what_isnt_known_gets_a_suggestion(words: list[str], said: str) -> None:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert said in result.output


def test_the_options_of_the_whole_may_stand_behind_the_command() -> None:
    before = CliRunner().invoke(main, ["--url", "redis://127.0.0.1:1", "streams"])
    behind = CliRunner().invoke(main, ["streams", "--url", "redis://127.0.0.1:1"])
    assert (before.exit_code, before.output) == (behind.exit_code, behind.output)
    assert (behind.exit_code, "127.0.0.1:1" in behind.output) == (4, True)
