"""Reads docs/operations.md: its sections, and in each the commands with what they should print.

A section is a `## ` heading. Its ```console blocks hold commands (`$ `), each followed by lines of
its output:

* every line shown must be in the output, in that order; between and around them there may be more;
* `...` stands for any text in a line, and runs of blanks count as one;
* `[exit 6]` as the last line: it ends with that code, otherwise with 0;
* `$ # words` is a step that no command of ours takes; the incident has a hand for it;
* a bold word at the start of a paragraph (See, Be sure, Do, Over when) says what the blocks below
  it are for. Only those under Do change anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
SETUP = "before-anything"
ALARM = "the-first-three-commands"

_HEADING = re.compile(r"## (.+)")
_LABEL = re.compile(r"\*\*(See|Be sure|Do|Over when)\.?\*\*")
_EXIT = re.compile(r"\[exit (\d+)\]")


@dataclass(frozen=True, slots=True)
class Step:
    """One command, the lines it should print, its exit code, and where it stands."""

    line: int
    command: str
    shows: tuple[str, ...]
    code: int
    label: str

    @property
    def by_hand(self) -> str | None:
        """What is to be done outside of ReTraced; None for a command."""
        return self.command[1:].strip() if self.command.startswith("#") else None

    @property
    def only_looks(self) -> bool:
        """Whether it may be repeated until it shows what it should."""
        return self.label != "Do"


@dataclass(frozen=True, slots=True)
class Section:
    """A symptom, its steps and the labels of its paragraphs, in order."""

    title: str
    steps: tuple[Step, ...]
    labels: tuple[str, ...]

    @property
    def slug(self) -> str:
        """Its anchor, as GitHub makes it."""
        return slug(self.title)


def slug(title: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).strip().replace(" ", "-")


def sections(text: str | None = None) -> list[Section]:
    """The sections of the page that have commands."""
    found: list[tuple[str, list[Step], list[str]]] = []
    inside = False
    block: list[tuple[int, str]] = []
    for number, line in enumerate((text or PAGE.read_text()).splitlines(), start=1):
        if inside and line.startswith("```"):
            _, steps, labels = found[-1]
            steps.extend(_steps(block, labels[-1] if labels else ""))
            inside = False
        elif inside:
            block.append((number, line))
        elif heading := _HEADING.fullmatch(line):
            found.append((heading[1], [], []))
        elif line == "```console" and found:
            block, inside = [], True
        elif found and (named := _LABEL.match(line)):
            found[-1][2].append(named[1])
    return [Section(title, tuple(steps), tuple(labels)) for title, steps, labels in found if steps]


def unseen(shows: Sequence[str], output: str) -> str | None:
    """The first line that the output should have and hasn't, in order; None if it has all."""
    lines = iter([_squeezed(line) for line in output.splitlines()])
    for wanted in shows:
        pattern = _pattern(wanted)
        if not any(pattern.fullmatch(line) for line in lines):
            return wanted
    return None


def _steps(block: Sequence[tuple[int, str]], label: str) -> Iterator[Step]:
    """The commands of a block; one goes on in the next line after a backslash."""
    starts = [at for at, (_, line) in enumerate(block) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        lines = [line for _, line in block[start:end]]
        last = next(at for at, line in enumerate(lines) if not line.endswith("\\"))
        command = "\n".join(lines[: last + 1]).removeprefix("$ ")
        shows = [line for line in lines[last + 1 :] if line.strip() not in ("", "...")]
        code = _EXIT.fullmatch(shows[-1].strip()) if shows else None
        yield Step(
            line=block[start][0],
            command=command,
            shows=tuple(shows[:-1] if code else shows),
            code=int(code[1]) if code else 0,
            label=label,
        )


def _pattern(line: str) -> re.Pattern[str]:
    parts = re.split(r" ?\.\.\. ?", _squeezed(line))
    return re.compile(".*".join(re.escape(part) for part in parts))


def _squeezed(line: str) -> str:
    return " ".join(line.split())
