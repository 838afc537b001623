"""Names that the shell completes from the server: streams, groups, words of a FILTER.

All is read within a second, and a server that can't be reached completes nothing: silently, and
never is one started.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from retraced import config
from retraced.errors import quoted
from retraced.events import EventName

URL = "retraced.url"
WITHIN_S = 1.0
REASONS = (
    "exhausted", "rejected", "invalid", "expired", "poison", "lost", "unhandled", "retry",
    "scheduled", "snooze", "crashed", "unstarted",
)  # fmt: skip


class Text(click.types.StringParamType):
    """What becomes text in Redis: bytes that are none are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        converted = super().convert(value, param, ctx)
        try:
            converted.encode()
        except UnicodeEncodeError:
            self.fail(f"{quoted(converted)} isn't valid text (UTF-8)", param, ctx)
        return converted


class StreamName(Text):
    """The name of a stream."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _items((stream for stream, _ in known(ctx)), incomplete)


class GroupName(Text):
    """The name of a group: of the stream that stands before it, else of any."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        streams = _streams_named(ctx)
        found = known(ctx)
        groups = [group for stream, group in found if stream in streams or not streams]
        return _items(groups or (group for _, group in found), incomplete)


class FilterWord(Text):
    """A term of a FILTER: its field, and where that has few values also these."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from retraced.filter import FIELDS, PATHS, STATES

        field, equals, _ = incomplete.partition("=")
        if equals:
            values = {"state": STATES, "reason": REASONS}.get(field, ())
            return _items((f"{field}={value}" for value in values), incomplete)
        paths = (each.partition(".")[0] + "." for each in PATHS)  # of header.NAME
        return _items([*(f"{each}=" for each in FIELDS), *paths], incomplete)


class EventWord(Text):
    """The name of an event."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _items((name.value for name in EventName), incomplete)


def known(ctx: click.Context) -> list[tuple[str, str]]:
    """(stream, group) of all that the server knows; none if it doesn't answer at once."""
    try:
        url = _url(ctx)
        return [] if url is None else _asked(url)
    except Exception:  # noqa: BLE001 - whatever happens, completion must not disturb the shell
        return []


def _asked(url: str) -> list[tuple[str, str]]:
    import asyncio

    from retraced.store.connection import Connector
    from retraced.store.reads.groups import known_groups

    async def ask() -> list[tuple[str, str]]:
        async with asyncio.timeout(WITHIN_S), Connector(url, timeout_s=WITHIN_S).link() as link:
            return await known_groups(link)

    return asyncio.run(ask())


def _url(ctx: click.Context) -> str | None:
    """The server that the command would use; None rather than a new embedded one."""
    root = ctx.find_root()
    settings = root.default_map or {}
    flag = ctx.meta.get(URL) or root.params.get("url")
    named = config.named_server(flag, os.environ, file_url=settings.get("url"))
    if named is None:
        return _running(config.DATA_DIRECTORY) or config.LOCAL_URL
    if config.is_embedded(named.url):
        return _running(config.embedded_directory(named.url))
    return named.url


def _running(directory: Any) -> str | None:
    from pathlib import Path

    from retraced.embedded import status

    server, _ = status(Path(directory))
    return None if server is None else server.url


def _streams_named(ctx: click.Context) -> set[str]:
    """The streams that the command line names already; of `consume` without their weights."""
    single, several = ctx.params.get("stream"), ctx.params.get("streams")
    # Behind an option that still wants its value, click leaves words where they are: in `args`.
    given = [single] if single else [*(several or ()), *ctx.args]
    return {name for each in given for name in (each, each.rpartition("=")[0]) if name}


def _items(values: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(value) for value in sorted(set(values)) if value.startswith(incomplete)]
