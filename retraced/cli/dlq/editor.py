"""An entry as text that a person can edit, and back: `dlq requeue --edit`.

A JSON object of the entry's fields by name. The payload is JSON itself where it is JSON, else
`{"$text": "..."}`; bytes that aren't UTF-8 stand as lone surrogates, `\\udc80` to `\\udcff`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from retraced.cli.dlq import jsonpath
from retraced.cli.dlq.changes import CantChange, Change, Fields, between
from retraced.cli.listing import first_line
from retraced.cli.output import printable
from retraced.errors import Refused, UsageError
from retraced.store.reads.dead import DeadLetter

_PAYLOAD = b"payload"
_TEXT = "$text"
_SURROGATES = "surrogateescape"
_ESCAPED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

Check = Callable[[DeadLetter, Fields, Change], None]


def changes(letter: DeadLetter, fields: Fields, check: Check) -> Change:
    """What a person changes in the editor, until `check` has nothing against it.

    Raises Refused when they give up; nothing has been written then.
    """
    before = dict(fields)
    text = as_text(letter, before).encode()
    while True:
        text = _edited(text)
        try:
            change = between(before, unchanged(before, from_text(_decoded(text))))
            check(letter, fields, change)
        except (CantChange, UsageError) as error:
            click.echo(f"that can't be: {error}", err=True)
            if not _again():
                raise Refused("given up: nothing was put back") from None
        else:
            return change


def as_text(letter: DeadLetter, fields: dict[bytes, bytes]) -> str:
    """The entry for the editor, under a heading of comments."""
    shown = {name.decode("utf-8", _SURROGATES): _shown(name, value)
             for name, value in fields.items()}  # fmt: skip
    heading = [
        f"# Job {printable(letter.job)}, buried as {printable(letter.reason)}:",
        f"# {printable(first_line(letter.error))}",
        "# Change the fields, save and leave the editor, and it is put back; leave it",
        "# without saving, and nothing happens. All values but the payload's are texts.",
    ]
    try:
        text = json.dumps(shown, ensure_ascii=False, indent=2)
    except RecursionError:  # as it stands, then
        shown["payload"] = {_TEXT: fields[_PAYLOAD].decode("utf-8", _SURROGATES)}
        text = json.dumps(shown, ensure_ascii=False, indent=2)
    return "\n".join([*heading, _ESCAPED.sub(_escape, text), ""])


def from_text(text: str) -> dict[bytes, bytes]:
    """The fields of an edited entry. Raises UsageError with the line that is wrong."""
    lines = [("" if line.startswith("#") else line) for line in text.splitlines()]
    try:
        said = json.loads("\n".join(lines), object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise UsageError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise UsageError("it is nested too deeply") from None
    if not isinstance(said, dict):
        raise UsageError("the whole must be a JSON object of the entry's fields")
    return {_bytes(name): _value(name, value) for name, value in said.items()}


def unchanged(before: Mapping[bytes, bytes], after: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """A payload that means the same keeps its bytes: spaces in it are no change."""
    old, new = before.get(_PAYLOAD), after.get(_PAYLOAD)
    if old is None or new is None:
        return after
    try:
        same = jsonpath.dumps(jsonpath.loads(old)) == new
    except ValueError:
        same = False
    return after | {_PAYLOAD: old} if same else after


def _edited(text: bytes) -> bytes:
    """What a person made of it. Raises Refused when nothing was saved."""
    try:
        edited: bytes | None = click.edit(text, extension=".json", require_save=True)
    except OSError as error:
        raise Refused(
            f"what the editor left can't be read ({error.strerror}): nothing was put back"
        ) from None
    if edited is None:
        raise Refused("the editor saved nothing: nothing was put back")
    return edited


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise UsageError(f"line {line} isn't UTF-8: save it in that encoding") from None


def _shown(name: bytes, value: bytes) -> object:
    text = value.decode("utf-8", _SURROGATES)
    if name != _PAYLOAD:
        return text
    try:
        parsed = jsonpath.loads(value)
    except ValueError:
        return {_TEXT: text}
    if isinstance(parsed, dict) and parsed.keys() == {_TEXT}:
        return {_TEXT: text}
    return parsed


def _value(name: str, value: Any) -> bytes:
    if isinstance(value, dict) and value.keys() == {_TEXT} and isinstance(value[_TEXT], str):
        return _bytes(value[_TEXT])
    if name == "payload":
        try:
            return jsonpath.dumps(value)
        except ValueError as error:  # such as 1e999
            raise UsageError(f"payload: {error}") from None
    if not isinstance(value, str):
        raise UsageError(f"{name} is {json.dumps(value)[:40]}: write a text, in quotes")
    return _bytes(value)


def _bytes(text: str) -> bytes:
    try:
        return text.encode("utf-8", _SURROGATES)
    except UnicodeEncodeError:
        raise UsageError(f"{printable(text[:40])!r} has a lone surrogate that is no byte") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for name, value in pairs:
        if name in made:
            raise UsageError(f"the name {name!r} is there twice")
        made[name] = value
    return made


def _no_number(text: str) -> object:
    raise UsageError(f"{text} isn't JSON")


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _again() -> bool:
    try:
        return click.confirm("Edit it again?", default=True, err=True)
    except click.Abort:
        return False
