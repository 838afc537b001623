"""Which server each section of the runbook runs on."""

from __future__ import annotations

from functools import cache

import pytest

from tests.operations import page, shell
from tests.servers import choose, in_ci


def pytest_report_header(config: pytest.Config) -> str:
    return f"redis-cli of the runbook: {shell.redis_cli()}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a section, on the servers by turns: each section once, each server several times."""
    if "section" not in metafunc.fixturenames:
        return
    names = _servers(metafunc.config.getoption("--servers"))
    todo = [section for section in page.sections() if section.slug != page.SETUP]
    placed = [(section, names[turn % len(names)]) for turn, section in enumerate(todo)]
    ids = [f"{section.slug}-{name}" for section, name in placed]
    metafunc.parametrize(("section", "on_server"), placed, ids=ids)


@cache
def _servers(wanted: str | None) -> tuple[str, ...]:
    return choose(wanted, ci=in_ci()).names
