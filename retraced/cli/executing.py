"""What `consume` runs jobs with: the handlers of an app, or a command for each job."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retraced.errors import ConfigError
from retraced.handlers.importing import import_registry
from retraced.handlers.process import ProcessRunner
from retraced.handlers.suspect import SuspectRunner
from retraced.job import Job
from retraced.log import Log
from retraced.registry import Registry
from retraced.worker.executors import CommandExecutor, Executor, PythonExecutor

KILL_AFTER_S = 5.0  # from SIGTERM to SIGKILL of a command that was ended from outside


def executor_of(flags: dict[str, Any], log: Log) -> Executor:
    """What runs the jobs: `--app` or `--exec`. Raises ConfigError for what can't be used."""
    if flags["command"]:
        runner = ProcessRunner(flags["command"], on_line=_output(log), grace_s=KILL_AFTER_S)
        runner.check()
        return CommandExecutor(runner, types=flags["types"])
    registry = load_registry(flags["app"])
    _warn_of_uncovered(registry, flags, log)
    return PythonExecutor(
        registry,
        suspects=SuspectRunner(flags["app"]),
        max_threads=flags["concurrency"],
        types=flags["types"],
    )


def _warn_of_uncovered(registry: Registry, flags: dict[str, Any], log: Log) -> None:
    """Says which streams no handler is meant for, before their jobs wait as unhandled."""
    for stream in flags["streams"]:
        by_name = flags["type_field"] == "none"
        if not registry.covers(stream, types=flags["types"], only_by_name=by_name):
            log.warning(
                "no_handler_for_stream",
                stream=stream,
                handlers=", ".join(registry.described()),
                what="none is meant for it; what it can't take waits as unhandled",
            )


def load_registry(target: str) -> Registry:
    """The handlers of the app at MODULE:ATTR, found from the current directory too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    registry = import_registry(target)
    if not registry.types:
        raise ConfigError(f"--app {target!r} has no handlers; register some with @app.handler()")
    return registry


def _output(log: Log) -> Callable[[Job, str], None]:
    """What a command prints on stdout, as lines of the log."""

    def line(job: Job, text: str) -> None:
        log.info("output", job=job.id, stream=job.stream, line=text)

    return line
