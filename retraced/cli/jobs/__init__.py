"""`retraced jobs`: the jobs of a stream in every state: list, show, export, cancel."""

from __future__ import annotations

import click

from retraced.cli.jobs.cancel import cancel
from retraced.cli.jobs.export import export
from retraced.cli.jobs.list import list_
from retraced.cli.jobs.show import show_


@click.group(epilog="Example: retraced jobs list emails --group mail state=held")
def jobs() -> None:
    """Find jobs in any state, look at one, cancel some."""


for _command in (list_, show_, export, cancel):
    jobs.add_command(_command)
