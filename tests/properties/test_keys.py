"""Key names: one slot for all of them, and no two groups share one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retraced.errors import InvalidName
from retraced.keys import Keys, group_member, parse_group_member, slot

streams = st.text("ab:{}\u00e9", min_size=1, max_size=8) | st.text(min_size=1)
groups = st.from_regex(r"[A-Za-z0-9_.-]{1,6}", fullmatch=True)
FIXED = ["settings", "ready", "delayed", "finished", "cancelled", "dlq", "events", "workers"]


def keys_of(stream: str, group: str) -> Keys | None:
    try:
        return Keys.of(stream, group)
    except InvalidName:
        return None


def names(keys: Keys) -> set[bytes]:
    fixed = {getattr(keys, name) for name in FIXED if name != "settings"}
    return fixed | {keys.state, keys.probe, keys.job(b"1-0"), keys.worker(b"host-1-ab")}


@given(streams, groups)
def test_every_accepted_name_has_all_its_keys_in_one_slot(stream: str, group: str) -> None:
    keys = keys_of(stream, group)
    if keys is not None:
        assert {slot(name) for name in names(keys) | {keys.settings}} == {slot(keys.stream)}
        assert all(name.startswith(keys.prefix + b":") for name in names(keys))


@given(streams, groups, streams, groups)
def test_two_groups_share_no_key(one: str, group: str, other: str, another: str) -> None:
    first, second = keys_of(one, group), keys_of(other, another)
    if first and second and (one, group) != (other, another):
        assert not names(first) & names(second)
        if one != other:
            assert first.settings != second.settings


@given(streams, groups)
def test_a_member_of_the_set_of_groups_is_read_back(stream: str, group: str) -> None:
    if keys_of(stream, group) is not None:
        assert parse_group_member(group_member(stream, group)) == (stream, group)
