"""The state diagram of the README is held against what the scripts do to jobs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retraced.store import scripts
from tests.scripts.board import Board
from tests.scripts.seen import seen_of

README = Path(__file__).parents[2] / "README.md"
NO_SCRIPTS = {"XADD", "fetch"}
_ARROW = re.compile(r"^    (\S+) --> (\w+): ([\w, ]+)$", re.MULTILINE)

Edge = tuple[str, str]


def diagram() -> dict[str, set[Edge]]:
    """The arrows on which each word stands."""
    arrows: dict[str, set[Edge]] = {}
    for start, end, words in _ARROW.findall(README.read_text()):
        for word in words.split(", "):
            arrows.setdefault(word, set()).add((start, end))
    return arrows


def test_every_word_on_an_arrow_is_a_script() -> None:
    assert set(diagram()) - NO_SCRIPTS <= set(scripts.names())


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_stands_on_the_arrows_along_which_it_moves_jobs(board: Board, name: str) -> None:
    moved = {seen.edge for seen in seen_of(board, name)} - {None}
    assert moved == diagram().get(name, set())
