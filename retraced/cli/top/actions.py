"""What the capital keys do: first in words, to be confirmed, then in Redis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from retraced.cli.output import printable
from retraced.cli.remedy import command
from retraced.cli.top.target import Target
from retraced.errors import Refused
from retraced.store import writes
from retraced.store.connection import Link
from retraced.store.scripts import Call
from retraced.store.writes import Ruling, Verdict


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to be confirmed. `title` says what, `follows` what will happen.

    `run(link, by, why)` does it and gives what to say; it raises Refused and StoreErrors. `asks`:
    a person must say why.
    """

    title: str
    follows: str
    run: Callable[[Link, str, str], Awaitable[str]]
    asks: bool = False


def cancel(target: Target) -> Deed:
    """Ends a job that waits or runs."""

    def write(by: str, _: str) -> Call[Verdict]:
        return writes.cancel(target.keys, target.job, by=by)

    follows = (
        "If it runs, its handler is cancelled within 1.5 s; it is not tried again in this group. "
        "The story keeps who did it."
    )
    return Deed(f"Cancel job {_job(target)}", follows, _does(target, "cancel", write))


def requeue(target: Target) -> Deed:
    """Puts a dead letter back."""

    def write(by: str, _: str) -> Call[Verdict]:
        if target.invalid:
            words = ("dlq", "requeue", target.keys.stream_name, printable(target.job))
            how = command(*words, "--group", target.keys.group_name, "--help")
            raise Refused(f"it was buried as invalid and would be again; see {how}")
        return writes.requeue(target.keys, target.job, by=by)

    follows = (
        "It leaves the dead letters and runs again, with a fresh budget of attempts, without its "
        "delay, run_at and expires."
    )
    return Deed(f"Requeue job {_job(target)}", follows, _does(target, "requeue", write))


def purge(target: Target) -> Deed:
    """Removes a dead letter for good."""

    def write(by: str, _: str) -> Call[Verdict]:
        return writes.purge(target.keys, target.job, by=by)

    follows = "Its dead letter is DELETED with its payload. It can't be brought back."
    return Deed(f"Purge job {_job(target)}", follows, _does(target, "purge", write))


def pause(target: Target) -> Deed:
    """Stops the handing out of jobs in a group."""

    def write(by: str, why: str) -> Call[Verdict]:
        return writes.pause(target.keys, by=by, why=why)

    follows = (
        "Its workers take no more jobs until somebody resumes it; what runs now goes on to its "
        "end, and jobs can still be added."
    )
    return Deed(f"Pause {target.where}", follows, _does(target, "pause", write), asks=True)


def resume(target: Target, *, by: str, why: str) -> Deed:
    """Ends a pause that somebody `by` name began."""

    def write(by: str, _: str) -> Call[Verdict]:
        return writes.resume(target.keys, by=by)

    since = f"It was paused by {printable(by)}" + (f": {printable(why)}" if why else "")
    follows = f"{since}. Its workers take jobs again at once."
    return Deed(f"Resume {target.where}", follows, _does(target, "resume", write))


def _does(
    target: Target, verb: str, write: Callable[[str, str], Call[Verdict]]
) -> Callable[[Link, str, str], Awaitable[str]]:
    """Runs the one script call that `write(by, why)` builds, and says what came of it."""

    async def run(link: Link, by: str, why: str) -> str:
        return _told(await link.run(write(by, why)), target, verb)

    return run


def _job(target: Target) -> str:
    return f"{printable(target.job)} in {target.where}"


def _told(verdict: Verdict, target: Target, verb: str) -> str:
    """What to say when it is done. Raises Refused when it isn't."""
    whom = f"job {printable(target.job)}" if target.job else target.where
    why = f", {verdict.reason}" if verdict.reason else ""
    match verdict.ruling:
        case Ruling.OK:
            return f"{verb} {whom}: done{why}"
        case Ruling.REQUESTED | Ruling.UNSURE:
            return f"{verb} {whom}: requested{why}"
        case Ruling.MISSING | Ruling.REFUSED:
            said = verdict.reason or verdict.ruling.lower()
            raise Refused(f"{verb} {whom}: {said}; nothing changed")
        case _:
            assert_never(verdict.ruling)
