"""Command lines to be pasted into a shell: they mean what was meant, and are safe on a terminal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

_NAMED = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t"}
_ODD = re.compile(r"[^\x20-\x7e]|[\\']")


def joined(words: Iterable[str]) -> str:
    """A command line. Words may have bytes that are no UTF-8 as lone surrogates (os.fsdecode)."""
    return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """One word; as $'...' where it has what isn't printable, which bash, zsh and ksh read."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + _ODD.sub(lambda found: _escaped(found[0]), word) + "'"


def _escaped(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
