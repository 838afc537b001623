"""Runs `retraced` commands inside the test's process, against a named server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import click
from click.testing import CliRunner

from retraced.cli.defaulting import DefaultGroup
from retraced.cli.main import main


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def understood(words: list[str]) -> None:
    """Parses a command line of `retraced`, without running it. Raises click's UsageError."""
    while words[:1] and words[0] in ("-o", "--output", "--url"):
        words = words[2:]
    command, rest = main.get_command(click.Context(main), words[0]), words[1:]
    while isinstance(command, click.Group):
        if isinstance(command, DefaultGroup) and (not rest or rest[0] not in command.commands):
            rest = [command.default, *rest]
        command, rest = command.commands[rest[0]], rest[1:]
    assert command is not None, words
    command.make_context(command.name, rest)


def run(url: str, *arguments: str, stdin: str | bytes | None = None, form: str = "jsonl") -> Ran:
    """One command; must not be called while an event loop runs in the same thread."""
    words = ["--url", url, *(["-o", form] if form else []), *arguments]
    result = CliRunner().invoke(main, words, input=stdin, env={"COLUMNS": "80"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)
