"""Workers for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Server
from tests.workers import Crew, Ledger


@pytest.fixture
def crew(url: str, tmp_path: Path) -> Iterator[Crew]:
    """Starts `retraced consume` processes on the shared server."""
    crew = Crew(url, tmp_path)
    yield crew
    crew.close()


@pytest.fixture
def private_crew(private_server: Server, tmp_path: Path) -> Iterator[Crew]:
    """Starts `retraced consume` processes on the test's own server."""
    crew = Crew(private_server.url, tmp_path)
    yield crew
    crew.close()


@pytest.fixture
def ledger(crew: Crew) -> Ledger:
    return crew.ledger
