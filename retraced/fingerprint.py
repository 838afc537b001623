"""Errors that are the same but for their numbers, ids and quoted values: one template, one name.

The dead letters of a bad deploy differ in ids and agree in everything else; `dlq list --by error`
and the filter's `fingerprint` count and take them together. Better rules make other templates, and
so other fingerprints: they hold within a release, and are stored nowhere.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

LENGTH = 8
NONE = "none"

_LONGEST_READ = 4_000
_LONGEST_TEMPLATE = 200
_TRACEBACK = "Traceback (most recent call last):"
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PROGRAM = re.compile(r"(?:exit code|signal|ended by) ?[\w ]{0,20}: ")
# In these the quoted words are names in the program, not values of the job.
_NAMING = re.compile(
    r".{0,60}?\b(?:Key|Attribute|Name|UnboundLocal|Import|ModuleNotFound|Type)Error:", re.ASCII
)
_IDENTIFIER = re.compile(r"'[A-Za-z_][A-Za-z_.]{0,39}'")
# Runs of plain words are among what is kept: passing over them at once is what makes it fast.
_VARIABLE = re.compile(
    r"""
    (?P<kept> \b (?: exit\ code | status(?:\ code)? | HTTP(?:/\d\.\d)? | errno | signal )
              [ =:]{1,2} \d{1,3} (?![\w.]) | \[Errno\ \d{1,4}\]
              | (?<!\w) (?: (?!(?:exit|status|HTTP|errno|signal)\b) [A-Za-z]+[:,;]?\  )+ )
    | (?P<quoted> (?<!\w) b? (?: '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `[^`]*` ) (?!\w) )
    | (?P<uuid> (?<![0-9A-Za-z]) [0-9A-Fa-f]{8} (?:-[0-9A-Fa-f]{4}){3} -[0-9A-Fa-f]{12}
                (?![0-9A-Za-z]) )
    | (?P<email> (?<![\w.+-]) [\w.+-]{1,64} @ [\w-]{1,63} (?:\.[\w-]{1,63})+ )
    | (?P<time> (?<!\w) \d{4}-\d\d-\d\d [T ] \d\d:\d\d (?: :\d\d (?:[.,]\d+)? )?
                (?: Z | [+-]\d\d:?\d\d )? )
    | (?P<n> (?<![0-9A-Za-z]) (?: 0x[0-9A-Fa-f]+
                | (?=(?:[A-Fa-f]*\d){2}) [0-9A-Fa-f]{6,}
                | (?=(?:[A-Za-z]*\d){3}) [0-9A-Za-z]{12,} ) (?![0-9A-Za-z]|[.,]\d)
           | (?: (?<= [\s(=:,[] ) [+-] )? \d\w* (?: [.,]\d\w* )* (?: (?<=[eE]) [+-]\d+ )? )
    """,
    re.VERBOSE | re.ASCII,
)


def fingerprint(error: str) -> str:
    """Eight hexadecimal digits, the same for all errors of one template; `none` for no error."""
    return _both(error)[0]


def template(error: str) -> str:
    """What errors of one fingerprint have in common, on one line of at most 200 characters.

    Of several lines the one that tells: the first, of a program's output and of a traceback the
    last. Numbers and ids become `<n>`, `<uuid>`, `<time>` and `<email>`, what stands in quotes
    `'…'`. Exit codes and HTTP statuses stay, and so do names in Python's KeyError and the like.
    """
    return _both(error)[1]


@lru_cache(maxsize=4096)
def _both(error: str) -> tuple[str, str]:
    line = " ".join(_COLOURS.sub("", _telling(error)[:_LONGEST_READ]).split())
    names_kept = _NAMING.match(line) is not None
    common = _VARIABLE.sub(_replaced_but_names if names_kept else _replaced, line)
    if len(common) > _LONGEST_TEMPLATE:
        common = common[: _LONGEST_TEMPLATE - 1] + "…"
    if not common:
        return NONE, ""
    digest = hashlib.blake2s(common.encode("utf-8", "backslashreplace"), digest_size=LENGTH // 2)
    return digest.hexdigest(), common


def _telling(error: str) -> str:
    lines = [line for line in error.splitlines() if line.strip()]
    if len(lines) < 2:
        return lines[0] if lines else ""
    first, last = lines[0].strip(), lines[-1].strip()
    if _TRACEBACK in first:
        return first.partition(_TRACEBACK)[0] + last
    if program := _PROGRAM.match(first):
        return program[0] + last
    return f"{first} {lines[1].strip()}" if first.endswith(":") else first


def _replaced(found: re.Match[str]) -> str:
    kind = found.lastgroup
    if kind == "kept":
        return found[0]
    if kind == "quoted":
        mark = found[0][-1]
        return f"{mark}…{mark}"
    return f"<{kind}>"


def _replaced_but_names(found: re.Match[str]) -> str:
    return found[0] if _IDENTIFIER.fullmatch(found[0]) else _replaced(found)
