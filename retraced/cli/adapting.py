"""What every command gets when it is loaded: variables, options of the whole, completion."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from retraced.cli import names
from retraced.cli.output import Format

Use = Callable[[click.Context, click.Parameter, Any], None]

# `--exec` tells a command about its job in these; there they are facts, not settings.
_JOB_FACTS = frozenset(
    f"RETRACED_{name}"
    for name in ("JOB_ID", "TYPE", "STREAM", "GROUP", "ATTEMPT", "FENCE", "HEADERS")
)
_COMPLETED = {
    "stream": names.StreamName,
    "streams": names.StreamName,
    "group": names.GroupName,
    "words": names.FilterWord,
}
# Paths of files, and what has a check of its own.
_MAY_BE_BYTES = frozenset({"command", "fields", "file", "ndjson", "payload", "url"})


def adapt(command: click.Command) -> None:
    """Prepares a command and its parts; once is enough, twice does no harm."""
    name_variables(command)
    for each in _with_parts(command):
        _complete(each)
        _lend(each)


def name_variables(command: click.Command) -> None:
    """Every option is also RETRACED_<NAME>, the same in all commands, unless it says its own."""
    in_job = "RETRACED_JOB_ID" in os.environ
    for each in _with_parts(command):
        for option in options(each):
            variable = f"RETRACED_{flag(option).upper()}"
            if option.envvar in (None, variable) and option.allow_from_autoenv:
                option.envvar = None if in_job and variable in _JOB_FACTS else variable


def options(command: click.Command) -> Sequence[click.Option]:
    """The options of a command that are its own."""
    return [
        option
        for option in command.params
        if isinstance(option, click.Option) and option.callback not in (_use_url, _use_output)
    ]


def flag(option: click.Option) -> str:
    """The name under which an option is a variable and a setting: its flag, with `_` for `-`."""
    return max(option.opts, key=len).lstrip("-").replace("-", "_")


def _with_parts(command: click.Command) -> list[click.Command]:
    parts = command.commands.values() if isinstance(command, click.Group) else ()
    return [command, *(each for part in parts for each in _with_parts(part))]


def _complete(command: click.Command) -> None:
    """Text is valid text; names of streams and groups, and words of a FILTER, are completed."""
    for param in command.params:
        if param.type is click.STRING and param.name not in _MAY_BE_BYTES:
            param.type = _COMPLETED.get(param.name or "", names.Text)()


def _lend(command: click.Command) -> None:
    """`--url` and `--output` may stand after the command as well."""
    taken = {flag for param in command.params for flag in param.opts}
    lent = [_lent(["--url"], _use_url), _lent(["-o", "--output"], _use_output, [*map(str, Format)])]
    command.params += [option for option in lent if not taken.intersection(option.opts)]


def _lent(flags: list[str], use: Use, choices: list[str] | None = None) -> click.Option:
    return click.Option(
        flags,
        type=click.Choice(choices) if choices else None,
        callback=use,
        hidden=True,
        expose_value=False,
        allow_from_autoenv=False,
    )


def _use_url(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta[names.URL] = value
        if ctx.obj is not None:
            ctx.obj.flag_url = value


def _use_output(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None and ctx.obj is not None:
        ctx.obj.format = Format(value)
