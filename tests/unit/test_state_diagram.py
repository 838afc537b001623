"""The state diagram of the README is held against the scripts that make the changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retraced.store import scripts

README = Path(__file__).parents[2] / "README.md"
NO_SCRIPTS = {"XADD", "fetch"}
MOVE_NO_JOB = {
    "disband",
    "drained",
    "join",
    "measure",
    "pause",
    "probe",
    "prune",
    "reap",
    "resume",
    "retain",
    "set_facts",
    "sweep",
}
_EDGE = re.compile(r"^    (\S+) --> (\w+): ([\w, ]+)$", re.MULTILINE)
_STATE = re.compile(r"(?:set\(record, 'state', |will_end\(record, [\w.]+, )'(\w+)'")


def diagram() -> dict[str, set[str]]:
    """The states that each word on an arrow leads to."""
    reached: dict[str, set[str]] = {}
    for _, state, words in _EDGE.findall(README.read_text()):
        for word in words.split(", "):
            reached.setdefault(word, set()).add(state)
    return reached


def text(name: str) -> str:
    return scripts.without_comments((scripts.folder() / f"{name}.lua").read_text())


def written(name: str) -> set[str]:
    """The states that a script can write into a record, by its own text and what it calls."""
    source = text(name)
    for part in ("silent", "edit", "promotion"):  # they decide what becomes of a job
        if part in scripts.script(name).header.uses:
            source += text(f"lib/{part}")
    states = set(_STATE.findall(source))
    if "will_bury(" in source:
        states.add("dead")
    if "'CANCELLED'" in source or "read_bodies(" in source or name == "drop":
        states.add("cancelled")
    if "read_bodies(" in source or "will_end_item(item, 'vanished')" in source:
        states.add("vanished")
    if "will_end_item(item, 'cancelled')" in source:
        states.add("cancelled")
    return states


def test_every_word_on_an_arrow_is_a_script_and_every_moving_script_is_on_one() -> None:
    assert set(diagram()) - NO_SCRIPTS == set(scripts.names()) - MOVE_NO_JOB


@pytest.mark.parametrize("name", sorted(set(scripts.names()) - MOVE_NO_JOB))
def test_an_arrow_leads_to_what_its_script_writes(name: str) -> None:
    assert diagram()[name] == written(name)


@pytest.mark.parametrize("name", sorted(MOVE_NO_JOB))
def test_scripts_that_are_on_no_arrow_move_no_job(name: str) -> None:
    assert not written(name)
