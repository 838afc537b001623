"""What stands on the screen of a Textual app under test, as text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from retraced.cli.top.app import TopApp
from retraced.cli.top.data import Scope
from retraced.store.connection import Connector
from tests import waiting

SIZE = (80, 24)


class Seen:
    """A running `top` at 80x24: its keys, and its lines."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot

    @property
    def lines(self) -> list[str]:
        strips = self.pilot.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip) for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def row(self, part: str) -> str:
        """The first line with these words, its columns one space apart."""
        return " ".join(self.row_as_it_is(part).split())

    def row_as_it_is(self, part: str) -> str:
        """The first line with these words."""
        found = [line for line in self.lines if part in line]
        assert found, f"no line has {part!r} in\n{self.text}"
        return found[0]

    async def lacks(self, part: str, deadline: float = 20.0) -> None:
        """Waits until these words are gone from the screen."""
        await waiting.eventually(lambda: part not in self.text, deadline, f"no more {part!r}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def shows(self, *parts: str, deadline: float = 10.0) -> None:
        """Waits until all these words stand on the screen."""
        try:
            await waiting.eventually(lambda: all(part in self.text for part in parts), deadline)
        except AssertionError:
            raise AssertionError(f"not on the screen: {parts}\n{self.text}") from None


@asynccontextmanager
async def top(
    url: str, *, stream: str | None = None, group: str | None = None, every_s: float = 0.2
) -> AsyncIterator[Seen]:
    """Runs `top` without a terminal, until it has shown the first rows."""
    connector = Connector(url, timeout_s=2.0)
    app = TopApp(connector, Scope(stream, group), every_s=every_s, by="ada@here")
    async with app.run_test(size=SIZE) as pilot:
        seen = Seen(pilot)
        await seen.shows("[1 Groups", "UTC")
        yield seen
