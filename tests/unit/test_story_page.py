"""docs/story.md tells of every event and of every key of `trace -o json`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retraced.cli.trace import EXAMPLES
from retraced.events import EventName
from retraced.store import scripts

PAGE = (Path(__file__).parent.parent.parent / "docs" / "story.md").read_text()
EVENTS, KEYS = PAGE.partition("## Events")[2], PAGE.partition("`trace -o json`")[2]


@pytest.mark.parametrize("name", list(EventName))
def test_every_event_is_told_of(name: EventName) -> None:
    assert re.search(rf"^\|[^|]*`{name}`", EVENTS, re.MULTILINE)


def test_every_event_is_one_that_a_script_tells() -> None:
    emitted = [scripts.script(name).header.emits for name in scripts.names()]
    assert set().union(*emitted) == {name.value for name in EventName}


def test_the_keys_of_help_and_page_are_the_same() -> None:
    page = KEYS.partition("## Events")[0]
    told = EXAMPLES.partition("JSON, for each group: ")[2]
    top = re.sub(r"\([^()]*\)", "", told.partition("events")[0])
    for key in re.findall(r"[a-z_]+", top):
        assert f"`{key}`" in page, key
