"""Reads a FILTER as people write it on a command line; what can't be meant is a UsageError."""

from __future__ import annotations

import difflib
import re

from retraced.durations import duration_ms
from retraced.errors import UsageError, quoted
from retraced.filter.terms import JOB_ID, Comparable, Term
from retraced.keys import id_parts

STATES = (
    "queued", "held", "delayed", "dead", "done", "cancelled", "vanished", "purged", "unknown",
)  # fmt: skip
FIELDS = (
    "state", "type", "id", "age", "died", "attempt", "error", "fingerprint", "reason", "worker",
    "release", "key",
)  # fmt: skip
SPANS = ("age", "died")  # how long ago: compared with a duration
PATHS = ("header.NAME", "payload.PATH")

# In one word, a part without an operator goes on with the value before it.
_PART = re.compile(
    r"\s*(?:(?P<field>[^\s:=!<>\"']+)(?P<op>!=|[:=<>])"
    r"(?:\"(?P<double>(?:[^\"\\]|\\.)*)\"(?=\s|$)|'(?P<single>(?:[^'\\]|\\.)*)'(?=\s|$)"
    r"|(?P<bare>\S*))|(?P<text>\S+))"
)
_ESCAPED = re.compile(r"\\(.)")
_ORDERED = frozenset({"id", *SPANS, "attempt", "release", "key", "header", "payload"})
_LIKELY = {"age": "10m", "died": "2h", "attempt": "2", "id": "1795501170340-0"}
_ORDER = frozenset({"<", ">"})
_EXAMPLES = "such as type=mail, error:refused, 'age>1h', 'attempt>2' or payload.user=43"
_SHELL = "to a shell > and < are more than letters, so quote the whole term"


def terms_of(word: str) -> list[Term]:
    """The terms in one word of the command line. Raises UsageError."""
    return [_term(*part) for part in _parts_of(word)]


def _parts_of(word: str) -> list[tuple[str, str, str]]:
    """(field, op, value) of each term in one word of the command line."""
    parts: list[tuple[str, str, str]] = []
    open_value = False
    for match in _PART.finditer(word):
        text = match["text"]
        if text == "AND":
            open_value = False
        elif text is None:
            parts.append((match["field"], match["op"], _value_of(match)))
            open_value = match["bare"] is not None
        elif open_value:
            name, op, value = parts[-1]
            parts[-1] = (name, op, f"{value} {text}")
        else:
            raise UsageError(_no_term(text))
    return parts


def _value_of(match: re.Match[str]) -> str:
    found = match["double"] if match["double"] is not None else match["single"]
    return str(match["bare"]) if found is None else _ESCAPED.sub(r"\1", found)


def _no_term(text: str) -> str:
    if text.upper() in ("OR", "NOT", "AND", "||", "&&"):
        return (
            f"{quoted(text)}: the terms of a FILTER are joined by AND, in capitals, and nothing "
            "else; for either of two conditions run the command twice, and != means not"
        )
    if text.lower() in _ORDERED & {*FIELDS}:
        return (
            f"{quoted(text)} alone is no term of a FILTER; {_SHELL}: '{text.lower()}>"
            f"{_LIKELY.get(text.lower(), 'VALUE')}'"
        )
    return f"{quoted(text)} is neither a job id nor a term of a FILTER, {_EXAMPLES}"


def _term(given: str, op: str, value: str) -> Term:
    name, _, path = given.partition(".")
    _check_field(given, name, path)
    if op in _ORDER:
        _check_order(given, name, op, value)
    elif op == ":" and not value:
        raise UsageError(f"{given}: what should it contain? {given}= means that it is empty")
    if op == ":":
        if name in SPANS:
            raise UsageError(_compare(name))
        return Term(name, path, op, value)
    return Term(name, path, op, value, _wanted(name, op, value))


def _check_field(given: str, name: str, path: str) -> None:
    if (name == "payload" and not given.endswith(".")) or (path and name == "header"):
        return
    if given in FIELDS:
        return
    known = (*FIELDS, *PATHS)
    names = {each.partition(".")[0]: each for each in known}
    close = [names[each] for each in difflib.get_close_matches(name.lower(), names, n=3)]
    if not close:
        close = [names[each] for each in names if each in name.lower()]
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
    raise UsageError(
        f"a FILTER knows no field {quoted(given)}; {hint} (a value with such characters in it "
        'goes into quotes: error:"...")'
    )


def _check_order(given: str, name: str, op: str, value: str) -> None:
    if name not in _ORDERED:
        raise UsageError(f"{given} has no order: use {given}=, {given}!= or {given}: (contains)")
    if value.startswith("="):
        raise UsageError(f"there is no {op}=; write {given}{op} with the value next to it")
    if not value:
        raise UsageError(f"{given}{op}: a value is missing")


def _compare(name: str) -> str:
    return f"{name} is compared, in quotes: '{name}>1h' (longer ago) or '{name}<5m' (less long ago)"


def _wanted(name: str, op: str, value: str) -> Comparable | None:
    """The value as a number or id where the field is one. Raises UsageError."""
    match name:
        case "age" | "died" if op in _ORDER:
            try:
                return duration_ms(value, name=name)
            except ValueError as error:
                raise UsageError(str(error)) from None
        case "age" | "died":
            raise UsageError(_compare(name))
        case "attempt":
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise UsageError(f"attempt is a whole number, not {quoted(value)}")
            return int(value)
        case "id":
            if not JOB_ID.fullmatch(value):
                raise UsageError(
                    f"an id looks like 1795501170340-0, not {quoted(value)}; id:{value} finds "
                    "ids that contain it"
                )
            return id_parts(value.encode())
        case "state" if value not in STATES:
            close = difflib.get_close_matches(value, STATES, n=2)
            hint = f"did you mean {' or '.join(close)}?" if close else f"one of {', '.join(STATES)}"
            raise UsageError(f"there is no state {quoted(value)}; {hint}")
        case _:
            return None
