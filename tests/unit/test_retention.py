"""What `--retain` takes."""

from __future__ import annotations

import pytest

from retraced.retention import Retention


@pytest.mark.parametrize(
    ("spec", "retention"),
    [
        ("all", Retention("all")),
        (" ALL ", Retention("all")),
        ("7d", Retention("7d", for_ms=604_800_000)),
        ("100000", Retention("100000", entries=100_000)),
        ("1", Retention("1", entries=1)),
    ],
)
def test_it_is_a_duration_a_number_or_all(spec: str, retention: Retention) -> None:
    assert Retention.parse(spec) == retention


@pytest.mark.parametrize("spec", ["", "0", "0s", "-1", "1e5", "seven", "7 d", "none", "٣"])
def test_anything_else_is_refused_with_a_remedy(spec: str) -> None:
    with pytest.raises(ValueError, match="100000"):
        Retention.parse(spec)
