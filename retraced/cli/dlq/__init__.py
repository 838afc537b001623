"""`retraced dlq`: the dead letters of a group: list, show, requeue, purge, export."""

from __future__ import annotations

import click

from retraced.cli.dlq.exported import export
from retraced.cli.dlq.listed import list_
from retraced.cli.dlq.purged import purge
from retraced.cli.dlq.requeued import requeue
from retraced.cli.dlq.shown import show_


@click.group(
    epilog="""
\b
Examples:
  retraced dlq list emails --group mail --by error
  retraced dlq requeue emails --group mail fingerprint=3f2a91bc --rate 50/s --yes
"""
)
def dlq() -> None:
    """Look at dead letters (jobs that couldn't succeed), put them back, or remove them."""


for _command in (list_, show_, requeue, purge, export):
    dlq.add_command(_command)
