"""Findings for people, the worst first, in the width of the terminal; and for programs."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from retraced.cli.doctor.finding import Finding, Level, Words, named
from retraced.cli.output import printable
from retraced.cli.rediscli import redis_cli
from retraced.cli.remedy import command

_ORDER = (Level.PROBLEM, Level.WARNING, Level.UNKNOWN)
_INDENT = 9
_LONGEST = 1000
_ADMINISTRATORS = ("BGREWRITEAOF", "BGSAVE", "CLIENT", "CLUSTER", "CONFIG", "LATENCY", "SLOWLOG")


def as_data(finding: Finding, url: str) -> dict[str, Any]:
    """One finding for programs."""
    return {
        "id": finding.check,
        "level": finding.level.value,
        "stream": finding.stream,
        "group": finding.group,
        "found": finding.found,
        "do": advice(finding, url) or None,
        "commands": [spelled(words, url) for words in finding.commands],
        "facts": dict(finding.facts),
    }


def spelled(words: Words, url: str) -> str:
    """A command as it can be pasted."""
    if words[0] != "redis-cli":
        return command(*words[1:])
    return redis_cli(_without_login(url) if _is_for_others(words, url) else url, *words[1:])


def advice(finding: Finding, url: str) -> str:
    """What to do; and who must, where this user can't be thought to have the right."""
    if not any(_is_for_others(words, url) for words in finding.commands):
        return finding.do
    user = urlsplit(url).username
    whose = f"the user {user}" if user else "this user"
    return f"{finding.do} An administrator of the server must do it, not {whose}."


def _is_for_others(words: Words, url: str) -> bool:
    """Rights are given by others; so is the server set, where a user of its own is at work."""
    if words[0] != "redis-cli":
        return False
    return words[1] == "ACL" or (words[1] in _ADMINISTRATORS and _is_limited(url))


def _is_limited(url: str) -> bool:
    """Whether the URL names a user; the default one may do all, unless somebody changed that."""
    return urlsplit(url).username not in (None, "", "default")


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def lines(findings: Sequence[Finding], url: str, width: int) -> Iterator[tuple[str, Level | None]]:
    """Lines with the level that their first word names, None for the others."""
    for level in _ORDER:
        for finding in _merged([each for each in findings if each.level is level]):
            yield from _full(finding, url, width)
    yield from _fine([each for each in findings if each.level is Level.OK], width)
    yield "", None
    yield summary(findings), None


def summary(findings: Iterable[Finding]) -> str:
    """`1 problem, 2 warnings, 30 ok`."""
    counts = Counter(finding.level for finding in findings)
    names = {Level.PROBLEM: "problem", Level.WARNING: "warning"}
    parts = [
        f"{counts[level]} {names[level]}{'s' * (counts[level] != 1)}"
        if level in names
        else f"{counts[level]} {level.value}"
        for level in Level
        if counts[level] or level is Level.OK
    ]
    return ", ".join(parts)


def _merged(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Checks of one group, or of the server, that found the very same stand together."""
    names: dict[tuple[object, ...], list[str]] = {}
    firsts: dict[tuple[object, ...], Finding] = {}
    for each in findings:
        same = (each.stream, each.group, each.found, each.do, each.commands)
        names.setdefault(same, []).append(each.check)
        firsts.setdefault(same, each)
    return (replace(each, check=", ".join(names[same])) for same, each in firsts.items())


def _full(finding: Finding, url: str, width: int) -> Iterator[tuple[str, Level | None]]:
    where = f"{named(f'{finding.stream}/{finding.group}')} " if finding.stream else ""
    first, *rest = _wrapped(f"{finding.check}: {where}{finding.found}", width)
    yield f"{finding.level.value:<{_INDENT}}{first}", finding.level
    for line in (*rest, *_wrapped(advice(finding, url), width)):
        yield " " * _INDENT + line, None
    for words in finding.commands:
        yield " " * (_INDENT + 2) + _to_paste(spelled(words, url)), None


def _to_paste(told: str) -> str:
    """A command, whole; where it is so long that nobody could read it, where it is found."""
    if len(told) <= _LONGEST:
        return told
    return f"(a command of {len(told):,} characters; `retraced -o json doctor` has it whole)"


def _fine(findings: Sequence[Finding], width: int) -> Iterator[tuple[str, Level | None]]:
    """The server's each in a line, those of a group together."""
    groups: dict[str, list[str]] = {}
    for finding in findings:
        if finding.stream is None:
            first, *rest = _wrapped(f"{finding.check}: {finding.found}", width)
            yield f"{'ok':<{_INDENT}}{first}", Level.OK
            yield from ((" " * _INDENT + line, None) for line in rest)
        else:
            name = named(f"{finding.stream}/{finding.group}")
            groups.setdefault(name, []).append(finding.check)
    for name, checks in groups.items():
        first, *rest = _wrapped(f"{name}: {', '.join(checks)}", width)
        yield f"{'ok':<{_INDENT}}{first}", Level.OK
        yield from ((" " * _INDENT + line, None) for line in rest)


def _wrapped(text: str, width: int) -> list[str]:
    room = max(width - _INDENT, 30)
    return textwrap.wrap(printable(text), room, break_long_words=False, break_on_hyphens=False)
