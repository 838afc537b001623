"""This run's command line, and the one that goes on where it was stopped."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import click

from retraced.cli import shell
from retraced.filter import JOB_ID

GIVEN = "retraced.given"  # in the context's meta: the words behind `retraced`
_SECRET = re.compile(r"(://[^/@\s]*:)[^@\s]*(@)")
_OVER = "--"


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What was given, as parts: an option with its value, a flag, or a single word."""

    parts: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, ctx: click.Context) -> CommandLine:
        """Of the command that runs in `ctx`."""
        return cls(tuple(_parts(ctx.meta.get(GIVEN, ()), _valued(ctx))))

    def without(self, jobs: Collection[bytes]) -> CommandLine:
        """Without the ids of these jobs."""
        return replace(self, parts=tuple(p for p in self.parts if _job(p) not in jobs))

    def having(self, options: Mapping[str, str]) -> CommandLine:
        """With these options (`--limit`) and values in place of those that were given."""
        kept = [part for part in self.parts if part[0].partition("=")[0] not in options]
        end = kept.index((_OVER,)) if (_OVER,) in kept else len(kept)
        return replace(self, parts=(*kept[:end], *options.items(), *kept[end:]))

    def __str__(self) -> str:
        """To be pasted into a shell; without a password."""
        words = [word for part in self.parts for word in part]
        return _SECRET.sub(r"\1***\2", shell.joined(("retraced", *words)))


def _parts(words: Sequence[str], valued: Collection[str]) -> Iterator[tuple[str, ...]]:
    left, over = iter(words), False
    for word in left:
        over = over or word == _OVER
        if word in valued and not over:
            yield word, *(value for value in (next(left, None),) if value is not None)
        else:
            yield (word,)


def _valued(ctx: click.Context) -> set[str]:
    """The options of a command, and of those above it, that are followed by a value."""
    found: set[str] = set()
    above: click.Context | None = ctx
    while above is not None:
        for option in above.command.params:
            if isinstance(option, click.Option) and not (option.is_flag or option.count):
                found.update(option.opts)
        above = above.parent
    return found


def _job(part: tuple[str, ...]) -> bytes | None:
    """The id that a word is, if it is one."""
    from retraced.cli.lookup import job_id

    return job_id(part[0]) if len(part) == 1 and JOB_ID.fullmatch(part[0]) else None
