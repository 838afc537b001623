"""`python -m tests.chaos SCENARIO [--jobs N] [--seed S] [--server NAME]`: trouble, then accounts.

Every scenario is bounded, ends by itself with a table, and exits with 1 when the sums are wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.chaos import kills, lateness, stopped
from tests.chaos.books import Books
from tests.servers import EMBEDDED, Server, choose, make
from tests.workers import Crew

Scenario = Callable[[Server, Crew, Random, int], Books]
SCENARIOS: dict[str, tuple[Scenario, int]] = {
    "kills": (kills.play, 10_000),
    "stopped-redis": (stopped.play, 40),
    "lateness": (lateness.play, 300),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--server", default=EMBEDDED, help="embedded, or an image such as redis:7.0"
    )
    asked = parser.parse_args()
    play, jobs = SCENARIOS[asked.scenario]
    choose(asked.server, ci=False)  # raises if it can't be had
    server = make(asked.server)
    with tempfile.TemporaryDirectory(prefix="retraced-chaos-") as place:
        crew = Crew(server.url, Path(place))
        try:
            books = play(server, crew, Random(asked.seed), asked.jobs or jobs)
        finally:
            crew.close()
            server.close()
    print(f"{asked.scenario} on {asked.server}, seed {asked.seed}")
    print(books)
    return 0 if books.right else 1


if __name__ == "__main__":
    sys.exit(main())
