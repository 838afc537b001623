"""`retraced consume`: works one or several streams for one group."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Literal, cast

import click

from retraced import supervisor
from retraced.cli.executing import executor_of
from retraced.cli.options import group_option, joining_options
from retraced.cli.session import Session
from retraced.cli.values import BackoffSpec, Duration, Share, Size
from retraced.errors import ConfigError
from retraced.keys import Keys
from retraced.log import Level, Log
from retraced.store.writes import LEAST_VISIBILITY_MS
from retraced.worker.brake import Brake
from retraced.worker.loop import Worker
from retraced.worker.options import WorkerOptions
from retraced.worker.subscription import Policy, Subscription

MOST_PREFETCH = 100

EXAMPLES = """\b
Examples:
  retraced consume emails --group mail --exec ./send.sh
  retraced consume emails sms --group work --app shop:app --concurrency 50
  retraced consume emails --group mail --exec ./send.sh --drain
  retraced consume orders --group audit --app shop.audit:app --retain 7d
  retraced consume sms --group work --app shop:app --pause-on-failure 90%/100

\b
Exit codes: 0 ended in order; 1 a drain met a paused group; 2 a flag can't be
used; 4 Redis refuses it; 5 drained, but jobs died or wait for a handler;
6 the stream isn't ours alone (--delete-settled or --retain).
"""


@click.command(epilog=EXAMPLES)
@click.argument("streams", nargs=-1, required=True, metavar="STREAM...")
@group_option("The consumer group to work for.")
@click.option("--app", metavar="MODULE:ATTR", help="Python handlers: where the App is.")
@click.option("--exec", "command", metavar="COMMAND", help="A command to run for each job.")
@click.option(
    "--concurrency",
    default=100,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Jobs at a time, for each process.",
)
@click.option(
    "--prefetch",
    type=click.IntRange(0, 10_000),
    help="How many jobs to hold beyond the free slots. Default: by how long jobs take.",
)
@click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Worker processes; one that dies is started again.",
)
@click.option(
    "--visibility-timeout",
    type=Duration(),
    help="How long a silent delivery stays its worker's; the group's first worker sets it. "
    "Default 30s, at least 3s.",
)
@click.option(
    "--max-crashes",
    default=3,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Bury a job that has killed its own process so often.",
)
@click.option(
    "--suspects",
    default=4,
    show_default=True,
    type=click.IntRange(1, 100),
    help="Child processes for jobs that may kill their process.",
)
@click.option(
    "--max-attempts",
    type=click.IntRange(1, 1000),
    help="Bury a job that failed so often, unless it or its handler says. Default 5.",
)
@click.option(
    "--backoff",
    type=BackoffSpec(),
    help="How long a failed job waits, unless it says. Default exponential:1s..5m.",
)
@click.option("--timeout", type=Duration(), help="For one attempt. Default none.")
@click.option(
    "--max-payload",
    default="1MiB",
    show_default=True,
    type=Size(),
    help="Bury a job with a larger one as invalid.",
)
@click.option(
    "--unhandled-after",
    default="1h",
    show_default=True,
    type=Duration(),
    help="Bury a job whose type had no handler for this long.",
)
@click.option("--type", "types", multiple=True, metavar="T", help="Take only these types.")
@joining_options
@click.option(
    "--type-field",
    default="type",
    show_default=True,
    metavar="NAME|none",
    help="Which field names the type.",
)
@click.option(
    "--pause-on-failure",
    type=Share(),
    metavar="PERCENT/N",
    help="Pause the group when so many of this worker's last N attempts failed, as 90%/100.",
)
@click.option("--drain", is_flag=True, help="Stop when nothing is left to do.")
@click.option("--drain-until", type=Duration(), help="Drain, leaving what is due later than this.")
@click.option("--max-jobs", type=click.IntRange(1), help="Stop after so many jobs.")
@click.option(
    "--grace",
    default="30s",
    show_default=True,
    type=Duration(),
    help="How long running jobs may go on after a signal; then they are given back.",
)
@click.option(
    "--consumer", metavar="PREFIX", help="What the worker's name begins with. Default: the host."
)
@click.option(
    "--log-format", default="text", show_default=True, type=click.Choice(["text", "json"])
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
)
@click.pass_context
def consume(ctx: click.Context, /, **flags: Any) -> None:
    """Work STREAMs for a group: first deliveries, retries, delayed jobs, dead workers' jobs.

    The first SIGTERM or Ctrl-C lets running jobs finish for --grace, a second one doesn't.
    """
    session: Session = ctx.obj
    log = Log(
        form=cast("Literal['text', 'json']", flags["log_format"]),
        level=cast("Level", flags["log_level"]),
    )
    _check(flags)
    url = session.url()
    if flags["processes"] > 1:
        code = supervisor.run(_supervise(url, flags["processes"], log))
    else:
        code = supervisor.run(_work(session, flags, log))
    if supervisor.threads_left():
        session.leave()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # Python would wait for the threads, and nothing can stop them
    ctx.exit(code)


async def _supervise(url: str, processes: int, log: Log) -> int:
    arguments = one_process(sys.argv)
    environ = {**os.environ, "RETRACED_URL": url}  # not an argument: `ps` would show its password
    return await supervisor.Supervisor(arguments, processes, environ=environ, log=log).run()


async def _work(session: Session, flags: dict[str, Any], log: Log) -> int:
    worker = Worker(
        _subscriptions(flags),
        executor_of(flags, log),
        session.connector(),
        _options(flags),
        log=log,
        duties=supervisor.duties,
    )
    return await supervisor.work(worker)


def _check(flags: dict[str, Any]) -> None:
    if bool(flags["app"]) == bool(flags["command"]):
        raise ConfigError("say how to run the jobs: either --app MODULE:ATTR or --exec COMMAND")
    visibility_ms = flags["visibility_timeout"]
    if visibility_ms is not None and visibility_ms < LEAST_VISIBILITY_MS:
        raise ConfigError("--visibility-timeout must be at least 3s, so that renewals fit in")
    if len(set(flags["streams"])) < len(flags["streams"]):
        raise ConfigError("a stream was named twice: name each STREAM once")


def one_process(argv: Sequence[str]) -> list[str]:
    """The arguments of a child: this command line's own, but for a single process.

    The last `--processes` counts, and after `--` nothing is an option any more.
    """
    own = list(argv[argv.index("consume") :])
    end = own.index("--") if "--" in own else len(own)
    return [*own[:end], "--processes", "1", *own[end:]]


def _subscriptions(flags: dict[str, Any]) -> list[Subscription]:
    policy = Policy(
        max_attempts=flags["max_attempts"] or Policy().max_attempts,
        backoff=flags["backoff"] or Policy().backoff,
        timeout_ms=flags["timeout"],
        max_crashes=flags["max_crashes"],
        unhandled_after_ms=flags["unhandled_after"],
    )
    limit = flags["pause_on_failure"]
    return [
        Subscription(
            Keys.of(stream, flags["group"]),
            brake=Brake(limit) if limit else None,
            policy=policy,
            visibility_ms=flags["visibility_timeout"] or 30_000,
            type_field=None if flags["type_field"] == "none" else flags["type_field"],
            max_payload=flags["max_payload"],
        )
        for stream in flags["streams"]
    ]


def _options(flags: dict[str, Any]) -> WorkerOptions:
    concurrency = flags["concurrency"]
    prefetch = flags["prefetch"]
    if prefetch is None:
        prefetch = min(concurrency, MOST_PREFETCH) if concurrency > 1 else 0
    release = os.environ.get("RETRACED_RELEASE", "")
    consumer = supervisor.consumer_name(flags["consumer"])
    return WorkerOptions(
        consumer=consumer,
        release=release.encode(),
        facts={"pid": os.getpid(), "host": os.uname().nodename, "release": release},
        concurrency=concurrency,
        prefetch=prefetch,
        adaptive=flags["prefetch"] is None,
        suspects=flags["suspects"],
        grace_ms=flags["grace"],
        visibility_ms=flags["visibility_timeout"],
        start=flags["start"],
        delete_settled=flags["delete_settled"],
        retain=flags["retain"],
        max_jobs=flags["max_jobs"],
        drain=flags["drain"] or flags["drain_until"] is not None,
        drain_until_ms=flags["drain_until"],
    )
