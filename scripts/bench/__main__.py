"""`python -m scripts.bench [WORKLOAD]...`: ReTraced beside plain redis-py, interleaved."""

from __future__ import annotations

import json
from pathlib import Path

import click

from scripts.bench import report
from scripts.bench.server import serving
from scripts.bench.workloads import WORKLOADS, Workload


@click.command(
    epilog="Workloads: " + "; ".join(f"{each.name} ({each.about})" for each in WORKLOADS.values())
)
@click.argument("names", metavar="[WORKLOAD]...", nargs=-1, type=click.Choice(list(WORKLOADS)))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 20))
@click.option("--jobs", type=click.IntRange(1), help="Instead of each workload's own number.")
@click.option("--url", metavar="URL", help="A server to use; else one of our own is started.")
@click.option("--only", multiple=True, metavar="NAME", help="Only these contestants.")
@click.option("--json", "saved", type=click.Path(path_type=Path), help="Save all figures here.")
@click.option(
    "--compare",
    nargs=2,
    type=click.Path(exists=True, path_type=Path),
    help="Print two saved runs side by side, and measure nothing.",
)
def main(
    names: tuple[str, ...],
    *,
    rounds: int,
    jobs: int | None,
    url: str | None,
    only: tuple[str, ...],
    saved: Path | None,
    compare: tuple[Path, Path] | None,
) -> None:
    """Measure ReTraced and plain redis-py on the same work.

    In each round every contestant works once, one after another, so that a machine that slows
    down slows all of them. Compare what one run has measured, by its medians and ratios. The keys
    `bench` and `retraced:{bench}:*` of the server are deleted.
    """
    if compare:
        click.echo(report.compared(*compare))
        return
    results: report.Results = {}
    workloads = [WORKLOADS[name] for name in names or WORKLOADS]
    with serving(url) as server:
        about = report.circumstances(server, rounds)
        click.echo(json.dumps(about))
        for workload in workloads:
            for turn in range(rounds):
                for contestant in workload.contestants:
                    if only and contestant.name not in only:
                        continue
                    figures = workload.measure(server, contestant, jobs or workload.jobs)
                    report.collected(results, workload.name, contestant.name, figures)
                    click.echo(f"{workload.name} {turn + 1}/{rounds} {contestant.name}", err=True)
            _show(workload, results)
    if saved:
        report.save(saved, about, results)


def _show(workload: Workload, results: report.Results) -> None:
    measured = results.get(workload.name, {})
    click.echo("\n" + report.table(workload.name, workload.about, measured))
    for line in report.ratios(measured):
        click.echo(line)


if __name__ == "__main__":
    main()
