"""Makes click's errors say what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import click

_GIVEN = re.compile(r"'(.*?)' is not (?:one of )?'")
_NO_COMMAND = re.compile(r"No such command '(.*?)'")


def improve(error: click.UsageError) -> None:
    """Adds to the message of an error, where it has a suggestion to make."""
    if isinstance(error, click.BadParameter):
        _name_choice(error)
    else:
        _name_command(error)


def no_command(name: str, known: Iterable[str]) -> str:
    """That there is no such command, and which was probably meant."""
    close = difflib.get_close_matches(name, known, n=2)
    likely = " or ".join(map(repr, close))
    hint = f"Did you mean {likely}?" if close else f"There are {', '.join(known)}."
    return f"No such command {name!r}. {hint}"


def _name_choice(error: click.BadParameter) -> None:
    kind = error.param.type if error.param is not None else None
    given = _GIVEN.search(error.message)
    if not isinstance(kind, click.Choice) or given is None:
        return
    close = difflib.get_close_matches(given[1], [_text(each) for each in kind.choices], n=1)
    if close:
        _say(error, f"{error.message} Did you mean {close[0]!r}?")


def _name_command(error: click.UsageError) -> None:
    group = error.ctx.command if error.ctx is not None else None
    given = _NO_COMMAND.search(error.message)
    if not isinstance(group, click.Group) or given is None or error.ctx is None:
        return
    if "Did you mean" in error.format_message():  # newer versions of click do it themselves
        return
    _say(error, no_command(given[1], group.list_commands(error.ctx)))


def _say(error: click.UsageError, message: str) -> None:
    setattr(error, "message", message)  # noqa: B010 - final in click's own annotations


def _text(choice: object) -> str:
    return str(getattr(choice, "value", choice))
