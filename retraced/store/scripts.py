"""The Lua scripts: found, put together from their parts, and called.

A script's header names the parts of `scripts/lua/lib` that it USES; they are put in front of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)
Argument = bytes | str | int

_SECTION = re.compile(r"-- (KEYS|ARGV|RETURNS|EMITS|USES)\b(.*)")
_PACKED = Path(__file__).parent.parent / "_lua"
_SOURCE_TREE = Path(__file__).parent.parent.parent / "scripts" / "lua"


@dataclass(frozen=True, slots=True)
class Header:
    """What the comment at the top of a script says of it."""

    keys: str
    argv: str
    returns: str
    emits: tuple[str, ...]
    uses: tuple[str, ...]

    @classmethod
    def parse(cls, source: str) -> Header:
        """Reads the leading comment lines; a line without a section name continues the last."""
        sections: dict[str, list[str]] = {}
        section = ""
        for line in source.splitlines():
            if not line.startswith("--"):
                break
            if match := _SECTION.match(line):
                section = match[1]
                sections.setdefault(section, []).append(match[2].strip())
            elif section:
                sections[section].append(line[2:].strip())
        found = {name: "\n".join(lines).strip() for name, lines in sections.items()}
        return cls(
            keys=found.get("KEYS", ""),
            argv=found.get("ARGV", ""),
            returns=found.get("RETURNS", ""),
            emits=tuple(found.get("EMITS", "").split()),
            uses=tuple(found.get("USES", "").split()),
        )


@dataclass(frozen=True, slots=True)
class Script:
    """One script as it is sent: its parts first, then its own text."""

    name: str
    header: Header
    source: bytes
    sha1: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One call of a script that is still to be made, and how to read its reply."""

    script: Script
    keys: list[bytes]
    args: list[Argument]
    parse: Callable[[Any], T_co]

    def by_sha(self) -> list[Argument]:
        """The command, for a server that knows the script."""
        return ["EVALSHA", self.script.sha1, len(self.keys), *self.keys, *self.args]

    def by_source(self) -> list[Argument]:
        """The command, for a server that doesn't know the script; it will afterwards."""
        return ["EVAL", self.script.source, len(self.keys), *self.keys, *self.args]


@cache
def script(name: str) -> Script:
    """The script `scripts/lua/<name>.lua` with its parts. KeyError names a missing one."""
    own = _read(f"{name}.lua")
    header = Header.parse(own)
    parts = [_read(f"lib/{part}.lua") for part in header.uses]
    source = "\n".join([*map(without_comments, parts), without_comments(own)]).encode()
    return Script(name, header, source, hashlib.sha1(source).hexdigest().encode())  # noqa: S324


def names() -> list[str]:
    """Every script there is."""
    return sorted(path.stem for path in folder().glob("*.lua"))


def folder() -> Path:
    """Where the scripts are: inside an installed package, or in the source tree beside it."""
    return _PACKED if _PACKED.is_dir() else _SOURCE_TREE


def without_comments(source: str) -> str:
    """A script without whole-line comments: what a server needs to keep of it."""
    return "\n".join(line for line in source.splitlines() if not line.lstrip().startswith("--"))


def _read(name: str) -> str:
    path = folder() / name
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KeyError(f"the script {name} isn't in {folder()}; reinstall retraced") from None
