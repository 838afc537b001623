"""What a requeue would refuse, told with the count of what it would do; nothing is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from retraced.cli.dlq.changes import CantChange
from retraced.cli.dlq.letters import Wanted
from retraced.cli.dlq.requeuer import Requeuer
from retraced.cli.prose import note
from retraced.cli.words import plural


class Rehearsal:
    """Sorts out what would be refused, and counts it."""

    def __init__(self, requeuer: Requeuer) -> None:
        self._requeuer = requeuer
        self.refused = 0
        self._first = ""

    async def possible(self, pages: AsyncIterator[Sequence[Wanted]]) -> AsyncIterator[list[Wanted]]:
        """The pages without what would be refused."""
        async for page in pages:
            yield [each for each in page if await self._is_possible(each)]

    def tell(self) -> None:
        """Says on stderr how many would be refused, and why the first of them."""
        if self.refused:
            note(f"{plural(self.refused, 'dead letter')} would be refused, first {self._first}")

    async def _is_possible(self, wanted: Wanted) -> bool:
        why = await self._refusal(wanted)
        if why:
            self._first = self._first or f"{wanted.job.decode()}: {why}"
            self.refused += 1
        return not why

    async def _refusal(self, wanted: Wanted) -> str:
        if wanted.letter is None:
            return "it is no dead letter"
        try:
            await self._requeuer.change(wanted.letter)
        except CantChange as error:
            return str(error)
        return ""
