"""What the tutorial needs: a worker to run, notes to read, commands to call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs `retraced` as a person would, on the test's server."""

    environ: dict[str, str]
    notes_file: Path

    def retraced(self, *words: str, code: int = 0) -> list[dict[str, Any]]:
        """One command to its end; gives what it printed, a dictionary a line."""
        done = subprocess.run(
            [sys.executable, "-m", "retraced", "-o", "jsonl", *words],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def work(self, stream: str, *words: str, group: str = "staff", code: int = 0) -> None:
        """Works the stream with the shop's handlers until nothing is left to do."""
        how = words if "--exec" in words else (*words, "--app", "tests.fundamentals.shop:app")
        self.retraced("consume", stream, "--group", group, *how, "--drain", code=code)

    def notes(self) -> list[str]:
        return self.notes_file.read_text().splitlines() if self.notes_file.exists() else []


@pytest.fixture
def shell(url: str, tmp_path: Path) -> Shell:
    ours = ("RETRACED_", "REDIS_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    notes = tmp_path / "notes"
    return Shell({**inherited, "RETRACED_URL": url, "SHOP_NOTES": str(notes)}, notes)


@pytest.fixture
def xadd(raw: Any, stream: str) -> Callable[..., str]:
    """What any Redis client in any language would say."""

    def say(**fields: str) -> str:
        return bytes(raw.execute_command("XADD", stream, "*", *sum(fields.items(), ()))).decode()

    return say
