"""lib/ids.lua and lib/neighbour.lua: arithmetic on ids of twice 64 bits, which Lua can't do."""

from __future__ import annotations

from itertools import product

import redis

from retraced.store.scripts import folder
from tests.scripts.board import ask, numbers_of

LARGEST = 2**64 - 1
MILLISECONDS = (0, 1, 9, 10, 99, 100, 109, 1_795_509_251_677, 10**16, LARGEST - 1)
SEQUENCES = (0, 1, 9, 10, 199, 1_000, 2**53, LARGEST - 1, LARGEST)
IDS = [b"%d-%d" % pair for pair in product(MILLISECONDS, SEQUENCES)]


def run(client: redis.Redis, lua: str, *ids: bytes) -> list[bytes | int]:
    parts = [(folder() / "lib" / f"{name}.lua").read_text() for name in ("ids", "neighbour")]
    found: list[bytes | int] = ask(client, "EVAL", "\n".join([*parts, lua]), 0, *ids)
    return found


def test_the_neighbours_of_an_id_are_right_before_and_after_it(client: redis.Redis) -> None:
    lua = """
    local found = {}
    for _, id in ipairs(ARGV) do
      found[#found + 1] = preceding(id)
      found[#found + 1] = following(id)
    end
    return found
    """
    found = run(client, lua, *IDS)
    for place, entry in enumerate(IDS):
        whole = as_number(entry)
        assert found[2 * place : 2 * place + 2] == [as_id(max(whole - 1, 0)), as_id(whole + 1)]


def test_ids_are_in_the_order_of_their_two_numbers(client: redis.Redis) -> None:
    lua = """
    local found = {}
    for _, a in ipairs(ARGV) do
      for _, b in ipairs(ARGV) do found[#found + 1] = after(a, b) and 1 or 0 end
    end
    return found
    """
    found = run(client, lua, *IDS)
    assert found == [int(numbers_of(a) > numbers_of(b)) for a, b in product(IDS, IDS)]


def as_number(entry: bytes) -> int:
    milliseconds, sequence = numbers_of(entry)
    return (milliseconds << 64) + sequence


def as_id(number: int) -> bytes:
    return b"%d-%d" % (number >> 64, number & LARGEST)
