"""docs/operations.md holds: each section's commands, run in order, end the incident that it is for.

The incidents are made on real servers, one of its own for each section, with workers of
`tests.operations.shop`. Commands run in one bash a section, with nothing put in for what the page
says. `redis-cli` is the one on PATH; where there is none, tests/operations/redis_cli.py stands in,
and the run's header says so. Commands that only look are repeated until they show what they should.
The sections take turns on the servers of the session; the two that need a pair of servers (a
failover, a move) run on processes of the embedded server's binary, which reach each other.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operations import page
from tests.operations.incident import Incident
from tests.operations.incidents import INCIDENTS
from tests.operations.page import Section, Step
from tests.operations.shell import Said, Shell

_PATIENCE_S = 30.0


@pytest.fixture
def incident(section: Section, on_server: str, tmp_path: Path) -> Iterator[Incident]:
    incident = INCIDENTS[section.slug](on_server, tmp_path)
    try:
        incident.happen()
        yield incident
    finally:
        incident.close()


@pytest.fixture
def shell(incident: Incident, tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path, {"RETRACED_URL": incident.server.url, **incident.environ})
    yield shell
    shell.close()


@pytest.mark.timeout(120)
def test_each_sections_commands_end_its_incident(
    section: Section, incident: Incident, shell: Shell
) -> None:
    setup = next(each for each in page.sections() if each.slug == page.SETUP)
    for step in (*setup.steps, *section.steps):
        _take(step, incident, shell)
    incident.over()


def test_each_section_has_an_incident_and_a_row_in_the_table_of_symptoms() -> None:
    titles = {section.slug for section in page.sections()} - {page.SETUP}
    linked = set(re.findall(r"^\|.*\]\(#([\w-]+)\)", page.PAGE.read_text(), re.MULTILINE))
    assert titles == set(INCIDENTS)
    assert titles <= linked


def test_each_section_says_what_is_seen_how_to_be_sure_what_to_do_and_when_it_is_over() -> None:
    for section in page.sections():
        if section.slug not in (page.SETUP, page.ALARM):
            assert section.labels == ("See", "Be sure", "Do", "Over when"), section.title


def _take(step: Step, incident: Incident, shell: Shell) -> None:
    if step.by_hand is not None:
        assert step.by_hand in incident.hands, f"{_where(step)}: the incident has no hand for it"
        incident.hands[step.by_hand]()
        return
    end = time.monotonic() + _PATIENCE_S
    said = shell.run(step.command)
    while (trouble := _trouble(step, said)) and _may_yet_come(step, said, end):
        time.sleep(0.1)
        said = shell.run(step.command)
    assert not trouble, f"{_where(step)}: {trouble}\nit printed:\n{said.output}"


def _may_yet_come(step: Step, said: Said, end: float) -> bool:
    """Whether a second look may show what the first one didn't; a usage error stays one."""
    return step.only_looks and said.code != 2 and time.monotonic() < end


def _trouble(step: Step, said: Said) -> str:
    if said.code != step.code:
        return f"exit {said.code}, not {step.code}"
    missing = page.unseen(step.shows, said.output)
    return f"{missing!r} isn't shown" if missing else ""


def _where(step: Step) -> str:
    return f"docs/operations.md:{step.line} `{step.command}`"
