"""Options that several commands have: the same name, type and help in each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from retraced.cli.values import RetentionSpec, StartId

if TYPE_CHECKING:
    from retraced.store.reads.jobs import Cursor

Command = TypeVar("Command", bound=Callable[..., Any])

_MOST_ROWS = 10_000
_MOST_LOOKED_AT = 10_000_000


def group_option(
    told: str = "The consumer group.", *, required: bool = True
) -> Callable[[Command], Command]:
    """`--group G`; `told` is its help."""
    return click.option("--group", required=required, metavar="G", help=told)


def joining_options(command: Command) -> Command:
    """`--from`, `--retain` and `--delete-settled`: what matters when a group is made."""
    options = (
        click.option(
            "--from",
            "start",
            default="start",
            show_default=True,
            type=StartId(),
            metavar="start|now|ID|TIME",
            help="Where a new group begins; after an ID, at a TIME.",
        ),
        click.option(
            "--retain",
            type=RetentionSpec(),
            metavar="7d|100000|all",
            help="Keep settled jobs in the stream for so long, or so many of them, for replay and "
            "for groups to come. The most that any group asked for counts.",
        ),
        click.option(
            "--delete-settled",
            is_flag=True,
            help="Agree that settled entries of a stream that others use, too, are deleted.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def page_options(*places: str, scan: int = 10_000) -> Callable[[Command], Command]:
    """`--limit`, `--after` (a Cursor, in one of `places`) and `--scan` of a list in pages."""

    def decorate(command: Command) -> Command:
        for option in reversed(_page_options(places, scan)):
            command = option(command)
        return command

    return decorate


class PlaceInList(click.ParamType["Cursor"]):
    """Where a page ended, as `print_rest` said it and as the JSON key `position` has it.

    `places`: those that the list goes through; empty: all.
    """

    name = "place"

    def __init__(self, places: tuple[str, ...] = ()) -> None:
        self._places = places

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Cursor:
        from retraced.errors import UsageError
        from retraced.store.reads.jobs import Cursor

        if isinstance(value, Cursor):
            return value
        try:
            cursor = Cursor.parse(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)
        if self._places and cursor.place not in self._places:
            self.fail(f"{value!r} is a place in another list, not in this one", param, ctx)
        return cursor


def _page_options(places: tuple[str, ...], scan: int) -> list[Callable[[Any], Any]]:
    return [
        click.option(
            "--limit",
            default=50,
            show_default=True,
            type=click.IntRange(1, _MOST_ROWS),
            metavar="N",
            help="At most so many.",
        ),
        click.option(
            "--after",
            type=PlaceInList(places),
            metavar="PLACE",
            help="Go on, as the last page said.",
        ),
        click.option(
            "--scan",
            default=scan,
            show_default=True,
            type=click.IntRange(1, _MOST_LOOKED_AT),
            metavar="N",
            help="Look at so many at most.",
        ),
    ]
