"""Figures of several rounds as a table, as JSON, and beside an earlier run's."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import redis

import retraced
from scripts.bench.server import Server

Results = dict[str, dict[str, dict[str, list[float]]]]
"""Workload -> contestant -> figure -> one value for each round."""


def collected(
    results: Results, workload: str, contestant: str, figures: Mapping[str, float]
) -> None:
    """Adds one round's figures."""
    kept = results.setdefault(workload, {}).setdefault(contestant, {})
    for name, value in figures.items():
        kept.setdefault(name, []).append(value)


def circumstances(server: Server, rounds: int) -> dict[str, Any]:
    """On what it was measured."""
    return {
        "retraced": retraced.__version__,
        "redis_py": redis.__version__,
        "server": server.version,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "rounds": rounds,
    }


def table(workload: str, about: str, contestants: Mapping[str, Mapping[str, list[float]]]) -> str:
    """Medians of the rounds, with the least and the most behind them."""
    names = list(dict.fromkeys(name for figures in contestants.values() for name in figures))
    head = [workload, *names]
    rows = [
        [contestant, *(_cell(figures.get(name)) for name in names)]
        for contestant, figures in contestants.items()
    ]
    return f"{about}\n" + _aligned([head, *rows])


def ratios(contestants: Mapping[str, Mapping[str, list[float]]]) -> Iterable[str]:
    """Each contestant's speed as a share of the first ones', by medians of the same run."""
    speeds = {
        name: median(figures["jobs_per_s"])
        for name, figures in contestants.items()
        if "jobs_per_s" in figures
    }
    for name, speed in speeds.items():
        others = [f"{speed / speeds[other]:.2f} of {other}" for other in speeds if other != name]
        if others and name.startswith("retraced"):
            yield f"{name}: {', '.join(others)}"


def save(path: Path, about: Mapping[str, Any], results: Results) -> None:
    path.write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")


def compared(before: Path, after: Path) -> str:
    """The medians of two saved runs side by side, and the second as a share of the first."""
    old, new = (json.loads(path.read_text())["results"] for path in (before, after))
    rows = [["workload", "contestant", "figure", before.stem, after.stem, "ratio"]]
    for workload in old.keys() & new.keys():
        for contestant in old[workload].keys() & new[workload].keys():
            was, is_ = old[workload][contestant], new[workload][contestant]
            for figure in was.keys() & is_.keys():
                a, b = median(was[figure]), median(is_[figure])
                ratio = f"{b / a:.2f}" if a else "-"
                rows.append([workload, contestant, figure, _number(a), _number(b), ratio])
    return _aligned([rows[0], *sorted(rows[1:])])


def _cell(values: list[float] | None) -> str:
    if not values:
        return "-"
    middle = _number(median(values))
    if len(values) == 1:
        return middle
    return f"{middle} ({_number(min(values))}-{_number(max(values))})"


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
