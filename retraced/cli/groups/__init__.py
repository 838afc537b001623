"""`retraced groups`: list, show, create, set, delete."""

from __future__ import annotations

import click

from retraced.cli.groups.create import create
from retraced.cli.groups.delete import delete
from retraced.cli.groups.list import list_
from retraced.cli.groups.set import set_
from retraced.cli.groups.show import show_


@click.group(
    epilog="""
\b
Examples:
  retraced groups create emails --group mail
  retraced groups show emails --group mail
  retraced groups set emails --group mail --max-attempts 3 --dlq-age 30d
"""
)
def groups() -> None:
    """List the groups that work a stream, show, make, set or delete one."""


for _command in (list_, show_, create, set_, delete):
    groups.add_command(_command)
