"""`retraced top`: a live view over the whole screen."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec

import click
from click.core import ParameterSource

from retraced.cli.session import Session
from retraced.cli.values import Duration
from retraced.errors import ConfigError, UsageError

_LEAST_MS = 200

EXAMPLES = """
\b
Examples:
  retraced top
  retraced top --stream emails --group mail
  retraced top --interval 5s

Keys: 1-4 or Tab: groups, running jobs, workers, dead letters; arrows or j k; / filters;
Enter shows a job's story; ? help; q quits. Capitals act, and ask first: C cancel,
R requeue, X purge, P pause or resume.

For programs there are `retraced -o json streams`, `groups list`, `pending`, `workers`
and `dlq list`.
"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--interval",
    type=Duration(),
    default="1s",
    show_default=True,
    metavar="D",
    help="How often it reads; less often while Redis is slow.",
)
@click.option("--stream", metavar="S", help="Only this stream.")
@click.option("--group", metavar="G", help="Only groups of this name.")
@click.pass_obj
def top(session: Session, interval: int, stream: str | None, group: str | None) -> None:
    """Watch groups, running jobs, workers and dead letters, live.

    Over the whole terminal, with keys that act on what they show. Each refresh is bounded, so that
    it is cheap with any number of jobs. Needs Textual: pip install 'retraced[tui]'.
    """
    _check(interval)
    from retraced.cli.lookup import chosen_groups, person
    from retraced.cli.top.app import TopApp
    from retraced.cli.top.data import Scope

    session.run(lambda link: chosen_groups(link, stream, group))  # exit 3 or 4 before the screen
    app = TopApp(session.connector(), Scope(stream, group), every_s=interval / 1000, by=person())
    asyncio.run(app.run_async())
    if app.return_code:
        raise click.exceptions.Exit(app.return_code)


def _check(interval_ms: int) -> None:
    """Raises UsageError or ConfigError, with the remedy, where it can't be shown."""
    given = click.get_current_context().find_root().get_parameter_source("output")
    if given is ParameterSource.COMMANDLINE:
        raise UsageError("top has no output format; `retraced groups list` and `streams` have")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "top needs a terminal; elsewhere use `retraced streams` or `retraced groups list`"
        )
    if interval_ms < _LEAST_MS:
        raise UsageError(f"--interval is at least {_LEAST_MS}ms")
    if find_spec("textual") is None:
        raise ConfigError("top needs Textual: pip install 'retraced[tui]'")
