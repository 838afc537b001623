"""Runs `retraced` commands inside the test's process, against a named server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

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


def run(url: str, *arguments: str, stdin: str | bytes | None = None, form: str = "jsonl") -> Ran:
    """One command; must not be called while an event loop runs in the same thread."""
    words = ["--url", url, *(["-o", form] if form else []), *arguments]
    result = CliRunner().invoke(main, words, input=stdin, env={"COLUMNS": "80"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(result.exit_code, result.stdout, result.stderr)
