"""Judges rights: what a worker and an operator may not do. Pure: refusals in, findings out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from retraced.cli.doctor.finding import Finding, cli, ok, problem, unknown, warning

_COMMAND = re.compile(r"'([a-z]+(?:\|[a-z-]+)?)' command")

_KEY = re.compile(r"access .*\bkeys?\b")


def probed(refused: str | None) -> list[Finding]:
    """What `writes.probe` said, None if all went well."""
    if refused is None:
        return [ok("rights", "this user may run all that a worker writes with")]
    return [
        problem(
            "rights",
            refused,
            "Widen the ACL of this user.",
            cli("ACL", "GETUSER", _user_in(refused)),
        )
    ]


def lacking(missing: Sequence[str], user: str) -> list[Finding]:
    """`missing`: the ACL rules that a worker of this user would need."""
    return [
        problem(
            "rights",
            f"a worker of this user would lack {', '.join(missing)}",
            "Allow it what workers need, if workers use it; let others look only.",
            cli("ACL", "SETUSER", user, *missing),
            lacking=list(missing),
        )
    ]


def readable(refused: Mapping[str, str], user: str, asked: int) -> list[Finding]:
    """`refused`: why, by command, of those with which operators look."""
    if not refused:
        return [ok("reading", f"all {asked} commands that operators look with are allowed")]
    rules = [f"+{right(why) or name.lower()}" for name, why in refused.items()]
    names = ", ".join(sorted(refused))
    return [
        warning(
            "reading",
            f"this user may not run {names}: some commands of retraced will "
            "fail, and some checks here are unknown",
            "Allow them.",
            cli("ACL", "SETUSER", user, *rules),
            refused=sorted(refused),
        )
    ]


def forbidden(check: str, why: str, user: str) -> Finding:
    """A check that couldn't look, since a right is missing."""
    missing = right(why)
    if _KEY.search(why):
        return unknown(
            check,
            "this user may not reach a key that is read for it",
            "Allow the keys of ReTraced, `~retraced:*`, and those of its streams.",
        )
    if missing is None:
        return unknown(
            check,
            f"it couldn't look: {why}",
            "Allow it if this server has a way to, or look there.",
        )
    return unknown(
        check,
        f"this user may not run {missing.replace('|', ' ').upper()}",
        "Allow it to see this.",
        cli("ACL", "SETUSER", user, f"+{missing}"),
        right=missing,
    )


def right(why: str) -> str | None:
    """The command that an ACL error names, as in `+config|get`."""
    found = _COMMAND.search(why)
    return found[1] if found else None


def _user_in(refused: str) -> str:
    found = re.search(r"User (\S+) has no", refused)
    return found[1] if found else "default"
