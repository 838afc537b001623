"""The command `retraced`: its options and commands, and the place where errors get exit codes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from retraced import __version__, config
from retraced.cli import commandline
from retraced.cli.adapting import adapt, flag, name_variables, options
from retraced.cli.output import Format
from retraced.cli.prose import for_stderr
from retraced.cli.sections import SECTIONS, summary
from retraced.cli.session import Session
from retraced.cli.suggesting import improve, no_command
from retraced.errors import ConfigError, RetracedError

COMMANDS: Mapping[str, str] = {
    "add": "retraced.cli.add:add",
    "completion": "retraced.cli.completion:completion",
    "consume": "retraced.cli.consume:consume",
    "delayed": "retraced.cli.delayed:delayed",
    "demo": "retraced.cli.demo:demo",
    "dlq": "retraced.cli.dlq:dlq",
    "doctor": "retraced.cli.doctor.command:doctor",
    "events": "retraced.cli.eventlog:events",
    "groups": "retraced.cli.groups:groups",
    "jobs": "retraced.cli.jobs:jobs",
    "pause": "retraced.cli.pause:pause",
    "pending": "retraced.cli.pending:pending",
    "replay": "retraced.cli.replay:replay",
    "resume": "retraced.cli.pause:resume",
    "server": "retraced.cli.server:server",
    "streams": "retraced.cli.streams:streams",
    "top": "retraced.cli.top:top",
    "trace": "retraced.cli.trace:trace",
    "workers": "retraced.cli.workers:workers",
}

_LONGEST = max(map(len, COMMANDS))
_ERROR = "Error: "  # click's own


class Failure(click.ClickException):
    """A RetracedError on its way out: one line on stderr and the error's exit code."""

    def __init__(self, error: RetracedError) -> None:
        super().__init__(str(error))
        setattr(self, "exit_code", error.exit_code)  # noqa: B010 - click reads it from the instance

    def format_message(self) -> str:
        return for_stderr(super().format_message(), behind=len(_ERROR))


class Commands(click.Group):
    """Imports a command when it is called, and turns RetracedErrors into exit codes.

    `targets` says where each command is, as `module:attribute`.
    """

    def __init__(self, *, targets: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.targets = targets

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(self.targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = self.targets.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        adapt(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """By section; what no section names comes last."""
        left = [name for name in self.list_commands(ctx) if summary(name) is None]
        for title, lines in SECTIONS.items():
            rows = [
                (f"{name:<{_LONGEST}}", line)
                for name, line in lines.items()
                if name in self.targets
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if left:
            with formatter.section("More"):
                commands = ((name, self.get_command(ctx, name)) for name in left)
                formatter.write_dl([(n, c.get_short_help_str()) for n, c in commands if c])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands with their lines, without importing any."""
        named = [
            CompletionItem(name, help=summary(name))
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def main(self, *args: Any, **extra: Any) -> Any:
        if "_RETRACED_COMPLETE" in os.environ:
            from retraced.cli import completion

            completion.register()
            if os.environ["_RETRACED_COMPLETE"].endswith("_complete"):
                completion.be_silent()
        return super().main(*args, **extra)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None:
            ctx.fail(no_command(name, self.targets))
        if ctx.default_map is not None and name in ctx.default_map:
            settings = _defaults(command, ctx.default_map[name], where=f"[{name}]")
            ctx.default_map = {**ctx.default_map, name: settings}
        return name, command, args[1:]

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        name_variables(self)
        with _as_failures():
            settings = _settings(self.targets, quiet=bool(extra.get("resilient_parsing")))
            extra.setdefault("default_map", settings)
            given = tuple(args)
            ctx = super().make_context(info_name, args, parent, **extra)
        ctx.meta[commandline.GIVEN] = given
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        output = ctx.params["output"]
        session = Session(
            flag_url=ctx.params["url"],
            format=Format(output) if output else None,
            settings=ctx.default_map or {},
        )
        with _as_failures(), session:
            ctx.obj = session
            return super().invoke(ctx)


@contextmanager
def _as_failures() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        improve(error)
        told = for_stderr(error.format_message(), behind=len(_ERROR))
        setattr(error, "format_message", lambda: told)  # noqa: B010 - final in click's annotations
        raise
    except RetracedError as error:
        raise Failure(error) from error
    except BaseExceptionGroup as group:
        ours = _first_of(group)
        if ours is None:
            raise
        raise Failure(ours) from group


def _first_of(group: BaseExceptionGroup[BaseException]) -> RetracedError | None:
    """The error of ours that ended a group of tasks, if nothing else did."""
    if group.split(RetracedError)[1] is not None:
        return None
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, RetracedError) else None


def _settings(commands: Iterable[str], *, quiet: bool) -> dict[str, Any]:
    """The settings of the directory; none if they can't be used and it is to be `quiet`."""
    try:
        settings = config.read_settings(Path.cwd())
        config.check_names(settings, ["url", "output", *commands], where="settings")
    except ConfigError:
        if not quiet:
            raise
        return {}
    return settings


def _defaults(command: click.Command, settings: object, *, where: str) -> dict[str, Any]:
    """The settings of a command by parameter instead of by flag. Raises ConfigError."""
    known: dict[str, str] = {flag(option): str(option.name) for option in options(command)}
    parts = command.commands if isinstance(command, click.Group) else {}
    if not isinstance(settings, Mapping):
        raise ConfigError(f"{where} must be a table of settings")
    config.check_names(settings, [*known, *parts], where=where)
    defaults: dict[str, Any] = {known[name]: settings[name] for name in settings if name in known}
    for name in parts.keys() & settings.keys():
        defaults[name] = _defaults(parts[name], settings[name], where=f"{where[:-1]}.{name}]")
    return defaults


@click.command(
    cls=Commands,
    targets=COMMANDS,
    name="retraced",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every option is also an environment variable RETRACED_<NAME>, and a setting in "
    "retraced.toml or [tool.retraced] (a command's own in a table of its name). "
    "Durations have a unit: 250ms 30s 5m 2h 1d. --url and --output may also stand after the "
    "command. What to do when something is wrong: `retraced doctor`, and docs/operations.md.",
)
@click.option(
    "--url",
    metavar="URL",
    help="The server: redis:// rediss:// unix:// or embedded://[dir]. Else RETRACED_URL, "
    "REDIS_URL, a Redis on 127.0.0.1:6379, or for a person at a terminal the embedded server.",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice([known.value for known in Format]),
    help="Default: table on a terminal, jsonl in a pipe.",
)
@click.version_option(__version__, prog_name="retraced", allow_from_autoenv=False)
def main(url: str | None, output: str | None) -> None:
    """Background jobs on Redis Streams: any XADD is a job, and every job has a story."""
