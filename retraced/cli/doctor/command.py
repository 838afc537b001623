"""`retraced doctor`: checks the server and its groups, and says what to do."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from retraced.cli.output import coloured
from retraced.cli.session import Session
from retraced.cli.values import Duration
from retraced.errors import Denied

if TYPE_CHECKING:
    from retraced.cli.doctor.finding import Finding
    from retraced.store.connection import Link

FAILED = 1

EXAMPLES = """
\b
Examples:
  retraced doctor
  retraced doctor --stream emails --group mail
  retraced doctor --strict
  retraced -o json doctor

Exit code: 0, or 1 when there is a problem (with --strict also for a warning). "unknown" is what
this user may not see; what is missing is named.

JSON, for each finding: id (the check), level (problem, warning, unknown, ok), stream and group
(null: the server as a whole), found and do (sentences), commands (each to be pasted), facts (the
numbers behind it).

\b
Of the server: version, cluster, memory, eviction, clients, replication,
  commands, flushed (by FLUSHALL), persistence, latency, clock,
  slow (SLOWLOG), discovery.
Of each group: rights (of a worker), reading (of an operator), keys, group,
  paused, workers, stalled, consumers, backlog, trimmed (by others),
  unhandled, asks (for a routed group), dead, deaths (of late), weight.

It reads samples, never a whole stream or set. It writes twice: rights are tried on a key of its
own that expires, and groups that the list of groups has lost are put back.
"""


@click.command(epilog=EXAMPLES)
@click.option("--stream", metavar="STREAM", help="Only groups of this stream.")
@click.option("--group", metavar="G", help="Only groups of this name.")
@click.option(
    "--absent",
    type=Duration(),
    default="1h",
    show_default=True,
    metavar="D",
    help="From when on workers and consumers count as gone.",
)
@click.option("--strict", is_flag=True, help="Exit code 1 also for warnings.")
@click.pass_context
def doctor(
    ctx: click.Context, *, stream: str | None, group: str | None, absent: int, strict: bool
) -> None:
    """Check the server and its groups: what is wrong, and what to do."""
    session: Session = ctx.obj

    async def work(link: Link) -> list[Finding]:
        from retraced.cli.doctor.examine import Examination
        from retraced.cli.lookup import chosen_groups

        if stream is not None or group is not None:
            with suppress(Denied):  # the checks will name what is missing
                await chosen_groups(link, stream, group)  # raises NotFound, with suggestions
        examination = Examination(
            link, stream, group, absent, user=urlsplit(session.url()).username or "default"
        )
        return [finding async for finding in examination.findings()]

    findings = session.run(work)
    _print(session, findings)
    ctx.exit(FAILED if fails(findings, strict=strict) else 0)


def fails(findings: list[Finding], *, strict: bool) -> bool:
    """Whether the exit code says so."""
    levels = {finding.level.value for finding in findings}
    return "problem" in levels or (strict and "warning" in levels)


def _print(session: Session, findings: list[Finding]) -> None:
    from retraced.cli.doctor import show
    from retraced.cli.listing import for_people, terminal_width

    if not for_people(session):
        session.emit([show.as_data(each, session.url()) for each in findings], ["id"])
        return
    for line, level in show.lines(findings, session.url(), terminal_width()):
        head, rest = ("", line) if level is None else (level.value, line[len(level.value) :])
        click.echo(coloured(head, "level", file=sys.stdout) + rest, color=True)
