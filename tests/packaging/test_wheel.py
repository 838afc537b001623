"""The wheel, as a user gets it: built from the sdist, installed anew, put to work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import ask

ROOT = Path(__file__).parents[2]

# Port 6379 is what the first embedded server takes: its tests run one after another.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("port_6379"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "build", "--outdir", str(target), str(ROOT)], cwd=target)
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment that holds the wheel and what it needs, and no more."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    run([sys.executable, "-m", "venv", str(place)], cwd=place.parent)
    programs = place / "bin"
    run([str(programs / "pip"), "install", "-q", f"{wheel}[embedded]"], cwd=place.parent)
    return programs


def test_the_wheel_holds_the_scripts_the_types_and_the_licence_and_nothing_else(
    wheel: Path,
) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    scripts = {str(path.relative_to(ROOT / "scripts/lua")) for path in _scripts()}
    assert scripts
    assert {f"retraced/_lua/{script}" for script in scripts} <= set(names)
    assert "retraced/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"retraced"}


def test_a_plain_xadd_is_worked_by_the_installed_wheel(installed: Path, tmp_path: Path) -> None:
    retraced = str(installed / "retraced")
    script = tmp_path / "print.sh"
    script.write_text('#!/bin/sh\ncat > "got-$RETRACED_JOB_ID"\n')
    script.chmod(0o755)
    server = json.loads(run([retraced, "server", "start"], cwd=tmp_path))
    try:
        port = urlsplit(server["url"]).port
        assert port is not None
        job = xadd(port, "emails", to="ada@example.org", subject="hi")
        work = ["consume", "emails", "--group", "mail", "--exec", "./print.sh", "--drain"]
        run([retraced, "--url", "embedded://", *work], cwd=tmp_path)
        assert json.loads((tmp_path / f"got-{job}").read_bytes()) == {
            "to": "ada@example.org",
            "subject": "hi",
        }
        assert ask(port, b"XLEN emails") == b":0\r\n"
    finally:
        run([retraced, "server", "stop"], cwd=tmp_path)


def xadd(port: int, stream: str, **fields: str) -> str:
    """The id of a job added as any program could, by an inline command over a socket."""
    pairs = " ".join(f"{name} {value}" for name, value in fields.items())
    reply = ask(port, f"XADD {stream} * {pairs}".encode()).decode()
    assert reply.startswith("$"), reply
    return reply.split("\r\n")[1]


def run(command: list[str], *, cwd: Path) -> str:
    """The stdout of a program that must succeed, in an environment without settings of ours."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RETRACED_", "REDIS_", "PYTHON"))
    }
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout


def _scripts() -> list[Path]:
    return sorted((ROOT / "scripts/lua").rglob("*.lua"))
