"""`retraced dlq`: the dead letters of a group: list, show, requeue, purge, export."""

from __future__ import annotations

import click

from retraced.cli.dlq.export import export as _export
from retraced.cli.dlq.list import list_ as _list
from retraced.cli.dlq.purge import purge as _purge
from retraced.cli.dlq.requeue import requeue as _requeue
from retraced.cli.dlq.show import show_ as _show


@click.group(
    epilog="""
\b
Examples:
  retraced dlq list emails --group mail --by error
  retraced dlq requeue emails --group mail fingerprint=3f2a91bc --dry-run
"""
)
def dlq() -> None:
    """Look at dead letters (jobs that couldn't succeed), put them back, or remove them."""


for _command in (_list, _show, _requeue, _purge, _export):
    dlq.add_command(_command)
