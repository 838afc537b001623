"""What commands print: aligned on a terminal, exact in a pipe, harmless everywhere."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraced.cli.output import Format, default_format, emit, printable

ROWS: list[dict[str, Any]] = [
    {"id": "1-0", "count": 7, "note": "plain", "more": [1, b"x"]},
    {"id": "1000-12", "count": 12345, "note": "日本", "more": {"k": None}},
]


def shown(rows: list[dict[str, Any]], columns: list[str], form: Format) -> str:
    out = io.StringIO()
    emit(rows, columns, format=form, file=out)
    return out.getvalue()


def test_a_table_is_aligned_numbers_to_the_right_and_wide_characters_counted() -> None:
    assert shown(ROWS, ["id", "note", "count"], Format.TABLE).splitlines() == [
        "ID       NOTE   COUNT",
        "1-0      plain      7",
        "1000-12  日本   12345",
    ]


def test_an_empty_table_is_its_heading() -> None:
    assert shown([], ["id", "started_at"], Format.TABLE) == "ID  STARTED AT\n"


def test_json_holds_all_of_a_row() -> None:
    expected = [{**ROWS[0], "more": [1, "x"]}, ROWS[1]]
    assert json.loads(shown(ROWS, ["id"], Format.JSON)) == expected
    lines = shown(ROWS, ["id"], Format.JSONL).splitlines()
    assert [json.loads(line) for line in lines] == expected


def test_ids_stand_alone() -> None:
    assert shown(ROWS, ["note", "id"], Format.ID) == "1-0\n1000-12\n"
    assert shown([{"group": "mail"}], ["group"], Format.ID) == "mail\n"


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


def table(rows: list[dict[str, Any]], columns: list[str]) -> str:
    out = Terminal()
    emit(rows, columns, format=Format.TABLE, file=out)
    return out.getvalue()


@pytest.fixture
def colourful(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return monkeypatch


STATES = [{"id": "1-0", "state": "dead"}, {"id": "2-0", "state": "queued"}]


def test_on_a_terminal_states_have_colours_and_columns_stay_aligned(
    colourful: pytest.MonkeyPatch,
) -> None:
    lines = table(STATES, ["state", "id"]).splitlines()
    assert lines == ["STATE   ID", "\x1b[31mdead  \x1b[0m  1-0", "queued  2-0"]


def test_counts_of_dead_and_a_pause_stand_out(colourful: pytest.MonkeyPatch) -> None:
    shown = table([{"dead": 0, "note": ""}, {"dead": 7, "note": "paused"}], ["dead", "note"])
    assert shown.splitlines()[1:] == ["   0", "\x1b[31m   7\x1b[0m  \x1b[33mpaused\x1b[0m"]


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_whoever_wants_no_colours_gets_none(
    colourful: pytest.MonkeyPatch, name: str, value: str
) -> None:
    colourful.setenv(name, value)
    assert "\x1b" not in table(STATES, ["state"])


def test_a_pipe_gets_no_colours(colourful: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in shown(STATES, ["state"], Format.TABLE)


def test_a_pipe_gets_json_lines() -> None:
    assert default_format(io.StringIO()) is Format.JSONL


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (b"caf\xc3\xa9 \xff", "café \\xff"),
        ("\x1b[2Jgone\r\n", "\\x1b[2Jgone\\r\\n"),
        ("a\u202eb\x9b", "a\\u202eb\\x9b"),
        ({"a": b"1"}, '{"a":"1"}'),
    ],
)
def test_what_a_terminal_could_obey_is_escaped(value: object, text: str) -> None:
    assert printable(value) == text


@given(st.text() | st.binary())
def test_no_value_breaks_a_line_or_reaches_the_terminal(value: str | bytes) -> None:
    for form in Format:
        out = shown([{"id": value}], ["id"], form)
        assert all(char.isprintable() or char == "\n" or ord(char) > 0x9F for char in out)
    assert len(shown([{"id": value}], ["id"], Format.TABLE).split("\n")) == 3
    assert len(shown([{"id": value}], ["id"], Format.JSONL).split("\n")) == 2


@pytest.mark.parametrize("levels", [300, 1000])
@pytest.mark.parametrize("form", [Format.TABLE, Format.JSON, Format.JSONL])
def test_what_can_be_read_can_be_printed_however_deeply_it_is_nested(
    levels: int, form: Format
) -> None:
    value: Any = {b"raw": b"a\xff", "\udcff": None, "more": [1, "\x85"]}
    for _ in range(levels):
        value = [value]
    told = shown([{"id": "1-0", "payload": value}], ["payload"], form)
    assert "[" * (levels - 1) in told
    inner = '{"raw":"a\\\\xff","\\\\udcff":null,"more":[1,"\\u0085"]}'
    assert inner in told
