"""What scripts tell of jobs is held against their headers, and docs/story.md against both."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from retraced.store import scripts
from tests.scripts.board import Board
from tests.scripts.seen import seen_of

PAGE = (Path(__file__).parents[2] / "docs" / "story.md").read_text()
_ROW = re.compile(r"^\| (`[^|]*) \|[^|]*\|([^|]*)\|$", re.MULTILINE)
_WORD = re.compile(r"`(\w+)`")


@pytest.mark.parametrize("name", scripts.names())
def test_a_header_lists_exactly_the_events_that_its_script_tells(board: Board, name: str) -> None:
    told = {event.name for seen in seen_of(board, name) for event in seen.events}
    assert told == set(scripts.script(name).header.emits)


def test_the_page_lists_exactly_the_details_of_each_event(board: Board) -> None:
    told: dict[str, set[str]] = defaultdict(set)
    for name in scripts.names():
        for seen in seen_of(board, name):
            for event in seen.events:
                told[event.name] |= set(event.details)
    for names, details in _ROW.findall(PAGE.partition("## Events")[2]):
        listed = set(_WORD.findall(re.sub(r"\([^()]*\)", "", details)))
        assert listed == set().union(*(told[name] for name in _WORD.findall(names))), names
