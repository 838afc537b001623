"""What the commands that export share: a new file, a line for each, and how many there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from retraced.cli.newfile import new_file
from retraced.cli.output import json_line
from retraced.cli.prose import note
from retraced.cli.session import Session
from retraced.cli.words import plural
from retraced.errors import StoreError
from retraced.store.connection import Link


@dataclass(slots=True)
class Lines:
    """Lines of JSON on their way into a file, and how many were written."""

    out: BinaryIO
    written: int = 0

    def write(self, data: Mapping[str, Any]) -> None:
        """One line."""
        self.out.write(json_line(data).encode() + b"\n")
        self.written += 1

    def flush(self) -> None:
        """At the end of a page: what was written is in the file."""
        self.out.flush()


def export_to(
    session: Session, file: str, noun: str, write: Callable[[Link, Lines], Awaitable[None]]
) -> None:
    """Has `write` write to a new file (`-`: standard output), and says on stderr how many.

    Raises Refused if the file is there already.
    """
    with new_file(file) as out:
        lines = Lines(out)
        try:
            session.run(lambda link: write(link, lines))
        except (StoreError, KeyboardInterrupt):
            note(f"stopped after {plural(lines.written, noun)}")
            raise
    where = "standard output" if file == "-" else file
    note(f"exported {plural(lines.written, noun)} to {where}")
