"""The list of commands that doctor asks for, against what scripts and store say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import redis

import retraced
from retraced.store import scripts
from retraced.store.commands import NEEDED, OPTIONAL

_IN_LUA = re.compile(r"(?:\(|\{)\s*\{?\s*'([A-Z]{2,})'")
_WORD = re.compile(r"[A-Z]{2,}")
_OTHERS = {"KEYS", "READONLY"}  # a section of headers, an error


def known(raw: redis.Redis) -> set[str]:
    return {name.upper() for name in raw.command()}


def in_scripts() -> set[str]:
    sources = scripts.folder().rglob("*.lua")
    return {word for each in sources for word in _IN_LUA.findall(each.read_text())}


def in_python() -> set[str]:
    """First words of tuples, lists and calls, and texts that stand for a command's name."""
    package = Path(retraced.__file__).parent
    found: set[str] = set()
    for path in (package / "store").rglob("*.py"):
        if path.name != "commands.py":
            found.update(_firsts(ast.parse(path.read_text())))
    return found


def _firsts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        match node:
            case ast.Tuple(elts=[first, *_]) | ast.List(elts=[first, *_]):
                parts = [first]
            case ast.Call(args=[first, *_]):
                parts = [first]
            case ast.IfExp(body=body, orelse=orelse):
                parts = [body, orelse]
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str | bytes):
                word = part.value if isinstance(part.value, str) else part.value.decode()
                if _WORD.fullmatch(word):
                    yield word


def test_every_command_that_scripts_and_store_say_is_asked_for(raw: redis.Redis) -> None:
    said = (in_scripts() | in_python()) & known(raw)
    assert {"HSET", "XACK", "ZCOUNT", "ZREVRANK", "SLOWLOG"} <= said
    assert said - _OTHERS - set(OPTIONAL) <= set(NEEDED)


def test_none_is_asked_for_that_nothing_says(raw: redis.Redis) -> None:
    implied = {"EVAL", "EVALSHA"}  # the loader says them
    assert set(NEEDED) - implied <= in_scripts() | in_python()
    assert set(NEEDED) <= known(raw)
