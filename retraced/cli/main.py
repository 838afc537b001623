"""The command `retraced`: its options, its commands, and the one place where errors become exit codes."""

import click


@click.group()
def main() -> None:
    """Background jobs on Redis Streams."""
