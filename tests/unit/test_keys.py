"""Key names, the slot they lie in, and the names that are refused."""

from __future__ import annotations

import pytest

from retraced.errors import InvalidName
from retraced.keys import Keys, group_member, parse_group_member, slot


def test_every_key_of_a_group_is_spelled_as_the_design_says() -> None:
    keys = Keys.of("emails", "mail")
    assert keys.stream == b"emails"
    assert keys.group == b"mail"
    assert keys.prefix == b"retraced:{emails}:mail"
    assert keys.settings == b"retraced:{emails}:settings"
    fixed = {"ready", "delayed", "finished", "cancelled", "dlq", "events", "workers", "state"}
    for name in fixed | {"probe"}:
        assert getattr(keys, name) == b"retraced:{emails}:mail:" + name.encode()
    assert keys.job(b"1764-0") == b"retraced:{emails}:mail:job:1764-0"
    assert keys.worker(b"host-1-ab") == b"retraced:{emails}:mail:worker:host-1-ab"
    assert (keys.stream_name, keys.group_name) == ("emails", "mail")


def test_a_stream_with_a_hash_tag_keeps_it() -> None:
    assert Keys.of("orders:{eu}", "g").prefix == b"retraced::orders:{eu}:g"
    assert Keys.of("a{b}c{d}", "g").prefix == b"retraced::a{b}c{d}:g"
    assert Keys.of("}{a}{", "g").prefix == b"retraced::}{a}{:g"


@pytest.mark.parametrize(
    "stream", ["emails", "orders:{eu}", "a{b}c", "{x}", "a{b", "a{b{c", "mails-\u00e9\u4e2d", " "]
)
def test_all_keys_lie_in_the_slot_of_the_stream(stream: str) -> None:
    keys = Keys.of(stream, "g")
    every = [keys.settings, keys.ready, keys.state, keys.job(b"1-0"), keys.worker(b"w{x}")]
    assert {slot(key) for key in every} == {slot(keys.stream)}


@pytest.mark.parametrize("stream", ["odd}key", "x{}y", "{}", "a}b{", "{}{x}"])
def test_a_stream_without_a_slot_mate_is_refused(stream: str) -> None:
    with pytest.raises(InvalidName, match="cluster slot; rename it"):
        Keys.of(stream, "g")


@pytest.mark.parametrize("stream", ["", "a\nb", "a\x00", "\x7f", "\ud800"])
def test_unusable_stream_names_are_refused(stream: str) -> None:
    with pytest.raises(InvalidName, match="stream"):
        Keys.of(stream, "g")


@pytest.mark.parametrize("group", ["", "a b", "a:b", "g\n", "\u00e9", "{g}", "\u0665", "a/b", "*"])
def test_unusable_group_names_are_refused(group: str) -> None:
    with pytest.raises(InvalidName, match="letters, digits"):
        Keys.of("emails", group)


@pytest.mark.parametrize("group", ["g", "A-1_b.c", "..", "0"])
def test_usable_group_names(group: str) -> None:
    assert Keys.of("s", group).group_name == group


def test_slots_are_those_that_redis_computes() -> None:
    assert slot(b"123456789") == 0x31C3
    assert slot(b"foo") == 12182
    assert slot(b"{user1000}.following") == slot(b"user1000")
    assert slot(b"foo{}{bar}") == slot(b"foo{}{bar}")
    assert slot(b"foo{{bar}}zap") == slot(b"{bar")


def test_a_group_is_a_member_of_the_set_of_groups_and_back() -> None:
    assert group_member("orders:{eu}", "mail") == b"mail:orders:{eu}"
    assert parse_group_member(b"mail:orders:{eu}") == ("orders:{eu}", "mail")


@pytest.mark.parametrize("member", [b"", b"mail", b":s", b"g:", b"\xff:s", b"g g:s"])
def test_a_member_that_we_did_not_write_is_refused(member: bytes) -> None:
    with pytest.raises(InvalidName):
        parse_group_member(member)
