"""A group of commands that runs one of them when no other is named: `retraced workers`."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem


class DefaultGroup(click.Group):
    """`default` names the command that words and options belong to which name no other one."""

    def __init__(self, *, default: str, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing and not args:  # completion: any of its commands may follow
            return super().parse_args(ctx, args)
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else [self.default, *args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Its commands, and what the default one takes."""
        found = super().shell_complete(ctx, incomplete)
        command = self.commands[self.default]
        with command.make_context(self.default, [], parent=ctx, resilient_parsing=True) as inner:
            first = next((p for p in command.params if isinstance(p, click.Argument)), None)
            return found + (first.shell_complete(inner, incomplete) if first else [])
