"""What every command has in common: which server, how to talk to it, how to print."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from retraced import config
from retraced.cli import output
from retraced.cli.prose import note
from retraced.errors import Unavailable

if TYPE_CHECKING:
    from retraced.store.connection import Connector, Link

T = TypeVar("T")

GIVE_UP_AFTER_S = 5.0


@dataclass(slots=True)
class Session:
    """One run of a command; `ctx.obj` of every command. Leaves the embedded server at its end."""

    flag_url: str | None = None
    format: output.Format | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    _url: str | None = None
    _held: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    @property
    def form(self) -> output.Format:
        """How results are printed: as was asked, else as it suits where they go."""
        return self.format or output.default_format(sys.stdout)

    def leave(self) -> None:
        """Leaves the embedded server, if this run joined one."""
        self._held.close()

    def url(self) -> str:
        """The server's URL (never `embedded://`): joins or starts the embedded server if need be.

        Raises ConfigError when there is none to be had, with the remedies.
        """
        if self._url is None:
            named = self._named()
            url = named.url if named else self._found()
            self._url = self._joined(url) if config.is_embedded(url) else url
        return self._url

    def data_directory(self) -> Path:
        """Where the embedded server that this run means keeps its data; an absolute path."""
        named = self._named()
        embedded = named is not None and config.is_embedded(named.url)
        url = named.url if named and embedded else "embedded://"
        return config.embedded_directory(url).absolute()

    def connector(self) -> Connector:
        """Opens links to the server; for what needs several, or must wait for Redis by itself."""
        from retraced.store.connection import Connector

        return Connector(self.url(), timeout_s=GIVE_UP_AFTER_S)

    def run(self, work: Callable[[Link], Awaitable[T]]) -> T:
        """Runs `work` with a link that has answered. Raises StoreErrors, after 5 s at most."""
        import asyncio

        return asyncio.run(_with_link(self.connector(), work))

    def emit(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Prints rows on stdout in the format that was asked for."""
        output.emit(rows, columns, format=self.format)

    def _named(self) -> config.ServerChoice | None:
        file_url = self.settings.get("url")
        return config.named_server(
            self.flag_url, os.environ, file_url=None if file_url is None else str(file_url)
        )

    def _found(self) -> str:
        from retraced.embedded import answers, status

        # One that runs in this very directory was meant, and may be what answers on 6379: joined,
        # it stays as long as this process does.
        if status(Path(config.DATA_DIRECTORY))[0] is not None:
            return "embedded://"
        if answers(config.LOCAL_HOST, config.LOCAL_PORT):
            return config.LOCAL_URL
        if any(stream.isatty() for stream in (sys.stdin, sys.stderr)):
            return "embedded://"
        raise config.no_server()

    def _joined(self, url: str) -> str:
        from retraced.embedded import join

        stay = self._held.enter_context(join(config.embedded_directory(url)))
        did = "started" if stay.started else "joined"
        note(f"{did} the embedded server at {stay.server.url}, data in {stay.server.directory}")
        return stay.server.url


async def _with_link(connector: Connector, work: Callable[[Link], Awaitable[T]]) -> T:
    import asyncio

    from retraced.store.steady import SteadyLink

    try:
        async with asyncio.timeout(GIVE_UP_AFTER_S):
            link = await connector.open(kind=SteadyLink)
    except TimeoutError:
        raise Unavailable(
            f"can't reach {connector.safe_url}: no answer in {GIVE_UP_AFTER_S:.0f} s"
        ) from None
    try:
        return await work(link)
    finally:
        await link.close()
