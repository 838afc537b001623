"""Judges which groups are known, and which of them are there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraced.cli.doctor.finding import Finding, cli, named, ok, problem, warning
from retraced.keys import GROUPS

if TYPE_CHECKING:
    from retraced.keys import Keys
    from retraced.store.reads.health.discovery import Discovery

SHOWN = 5


def discovery(facts: Discovery, healed: str | None) -> list[Finding]:
    """`healed`: None when the lost ones were put back, else why not."""
    if facts.foreign:
        name = GROUPS.decode()
        return [
            problem(
                "discovery",
                f"{name} is a {facts.foreign} and should be a set: no list of groups works",
                "Something else writes there: move it away and run doctor again.",
                cli("RENAME", name, f"{name}.foreign"),
            )
        ]
    found = [*_lost(facts, healed), *_stale(facts)]
    if found or facts.refused is not None:  # who may not scan hears so instead
        return found
    how_far = "" if facts.complete else f", as far as about {facts.scanned:,} keys were scanned"
    groups = "1 group is" if len(facts.known) == 1 else f"{len(facts.known):,} groups are"
    return [
        ok(
            "discovery",
            f"{groups} known{how_far}",
            known=len(facts.known),
            scanned_all=facts.complete,
        )
    ]


def _lost(facts: Discovery, healed: str | None) -> list[Finding]:
    if not facts.lost:
        return []
    names = ", ".join(f"{named(_name(keys))} (by {how})" for keys, how in facts.lost[:SHOWN])
    told = f"groups that {GROUPS.decode()} had lost: {names}{_more(len(facts.lost))}"
    data = {"lost": [_name(keys) for keys, _ in facts.lost]}
    if healed is None:
        return [
            warning(
                "discovery", f"{told}; they are put back", "Nothing: they are listed again.", **data
            )
        ]
    members = [f"{keys.group_name}:{keys.stream_name}" for keys, _ in facts.lost[:SHOWN]]
    return [
        problem(
            "discovery",
            f"{told}; they couldn't be put back: {healed}",
            "Put them back with a user who may.",
            cli("SADD", GROUPS.decode(), *members),
            **data,
        )
    ]


def _stale(facts: Discovery) -> list[Finding]:
    if not facts.stale:
        return []
    members = [each.decode("utf-8", "backslashreplace") for each in facts.stale]
    names = ", ".join(named(each) for each in members[:SHOWN])
    return [
        warning(
            "discovery",
            f"{GROUPS.decode()} names what isn't there: {names}{_more(len(members))}",
            "Take them out.",
            cli("SREM", GROUPS.decode(), *map(_exact, facts.stale[:SHOWN])),
            stale=members,
        )
    ]


def _exact(member: bytes) -> str:
    """For a command line: every byte of it."""
    return member.decode("utf-8", "surrogateescape")


def _name(keys: Keys) -> str:
    return f"{keys.stream_name}/{keys.group_name}"


def _more(count: int) -> str:
    return f" and {count - SHOWN:,} more" if count > SHOWN else ""
