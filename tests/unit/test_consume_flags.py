"""What `retraced consume` makes of its command line."""

from __future__ import annotations

import pytest

from retraced.cli.consume import one_process


@pytest.mark.parametrize(
    ("line", "child"),
    [
        ("retraced consume a --processes 4", "consume a --processes 4 --processes 1"),
        ("retraced -o json consume a", "consume a --processes 1"),
        (
            "retraced consume --processes 4 -- -odd-name",
            "consume --processes 4 --processes 1 -- -odd-name",
        ),
        ("retraced consume a --group consume", "consume a --group consume --processes 1"),
    ],
)
def test_a_child_has_the_same_command_line_but_for_its_processes(line: str, child: str) -> None:
    assert one_process(line.split()) == child.split()
