"""How `retraced --help` arranges the commands: by what one wants to do, a line for each.

The lines stand here, so that the help (and completion) needn't import every command.
"""

from __future__ import annotations

from collections.abc import Mapping

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Work": {
        "demo": "All of it in 15 seconds, on a server of its own",
        "add": "Add a job, or many",
        "consume": "Work streams for a group: this is the worker",
        "server": "The embedded server: start, stop, status, url",
    },
    "Look": {
        "top": "Everything live, full screen",
        "trace": "One job's story: where it is, what happened, what comes next",
        "streams": "All streams and groups: what waits, runs, is delayed, died",
        "jobs": "Find jobs in any state by FILTER, show one, cancel some",
        "delayed": "Jobs that wait for their time: list, run now, cancel",
        "pending": "What is held by which worker, for how long",
        "workers": "Who is alive and what each runs; checks for probes",
        "events": "What happens, as it happens",
    },
    "Repair": {
        "doctor": "What is wrong with the server and its groups, and what to do",
        "dlq": "Dead letters: list, show, requeue, purge, export",
        "pause": "Stop handing out a group's jobs",
        "resume": "Go on handing them out",
        "replay": "Run kept entries again, for one group",
        "groups": "The groups of a stream: list, show, create, set, delete",
    },
    "Help": {
        "completion": "Completion for bash, zsh and fish",
    },
}


def summary(name: str) -> str | None:
    """The line of a command; None for one that no section names."""
    return next((part[name] for part in SECTIONS.values() if name in part), None)
