"""A script's header is held against what the script really does."""

from __future__ import annotations

import re

import pytest

from retraced.keys import Keys
from retraced.store import scripts
from tests.scripts import calls
from tests.scripts.board import Board

NAMES = scripts.names()
PARTS = sorted(path.stem for path in (scripts.folder() / "lib").glob("*.lua"))
_COMMAND = re.compile(r"(?:redis\.p?call|will|will_each|will_add)\(\s*\{?\s*'([A-Z]+)'")
_DEFINED = re.compile(r"^local function (\w+)|^local ([A-Z_]+)\b", re.MULTILINE)


def text(name: str) -> str:
    return (scripts.folder() / f"{name}.lua").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_header_has_every_section(name: str) -> None:
    source = text(name)
    header = scripts.Header.parse(source)
    assert source.startswith("-- ")
    assert header.keys
    assert header.argv
    assert header.returns
    for section in ("EMITS", "USES"):
        assert f"\n-- {section}" in source


@pytest.mark.parametrize("name", NAMES)
def test_a_header_names_the_prefix_of_records_that_its_script_finds(name: str) -> None:
    header = scripts.Header.parse(text(name))
    used = [name, *(f"lib/{part}" for part in header.uses if part != "group")]
    finds = any("record_key(" in scripts.without_comments(text(each)) for each in used)
    assert finds == ("P:job:" in header.keys)


@pytest.mark.parametrize("name", NAMES)
def test_a_header_uses_parts_that_exist_before_those_that_need_them(name: str) -> None:
    uses = scripts.Header.parse(text(name)).uses
    assert set(uses) <= set(PARTS)
    known: set[str] = set()
    everything = {word for part in PARTS for word in _defined(part)}
    for part in (*(f"lib/{each}" for each in uses), name):
        source = scripts.without_comments(text(part))
        own = set(re.findall(r"\w+", source)) & everything
        known |= {word for pair in _DEFINED.findall(source) for word in pair if word}
        free = {word for word in own - known if re.search(rf"(?<![.:'\w]){word}\(", source)}
        assert not free, f"{part} needs {free} from a part that isn't in front of it"


@pytest.mark.parametrize("name", NAMES)
def test_every_part_that_is_named_is_needed(name: str) -> None:
    uses = scripts.Header.parse(text(name)).uses
    for place, part in enumerate(uses):
        later = [f"lib/{each}" for each in uses[place + 1 :]] + [name]
        rest = " ".join(scripts.without_comments(text(each)) for each in later)
        assert any(re.search(rf"\b{word}\b", rest) for word in _defined(part)), part


@pytest.mark.parametrize("name", NAMES)
def test_a_script_fits_redis_6_2_and_has_no_shebang(name: str) -> None:
    assert not text(name).startswith("#!")
    assert "BLOCK" not in scripts.without_comments(text(name))


def test_the_probe_tries_every_write_command_that_a_script_uses() -> None:
    tried = set(re.findall(r"\{'([A-Z]+)'", text("probe")))
    reads = {
        "EXISTS", "HEXISTS", "HGET", "HGETALL", "HKEYS", "HLEN", "HMGET", "MEMORY", "SCARD",
        "SISMEMBER", "SSCAN", "TIME", "TYPE", "XINFO", "XLEN", "XPENDING", "XRANGE", "XREVRANGE",
        "ZCARD", "ZCOUNT", "ZRANGE", "ZRANGEBYSCORE", "ZSCORE",
    }  # fmt: skip
    used = {
        command
        for each in [*NAMES, *(f"lib/{part}" for part in PARTS)]
        for command in _COMMAND.findall(scripts.without_comments(text(each)))
    }
    assert used - reads <= tried


@pytest.mark.parametrize("name", calls.ALL)
def test_the_first_ten_keys_are_the_same_everywhere(board: Board, name: str) -> None:
    keys: Keys = board.keys
    call = calls.ALL[name](board).call
    assert call.keys[:10] == [
        keys.stream, keys.ready, keys.delayed, keys.state, keys.events, keys.dlq, keys.finished,
        keys.cancelled, keys.workers, keys.settings,
    ]  # fmt: skip
    assert call.args[0] == keys.group


def test_a_missing_script_is_named() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        scripts.script("nonsense")


def _defined(part: str) -> set[str]:
    source = scripts.without_comments(text(f"lib/{part}"))
    words = {word for pair in _DEFINED.findall(source) for word in pair if word}
    if part == "group":
        words |= {"S", "READY", "DELAYED", "STATE", "EVENTS", "GROUP"}
    return words
