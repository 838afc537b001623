"""Commands to go on with, whole, so that they can be pasted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraced.cli import shell

if TYPE_CHECKING:
    from retraced.store.reads.story import Story


def command(*words: str) -> str:
    """A command line of `retraced`, quoted for a shell."""
    return shell.joined(("retraced", *words))


def consume(stream: str, group: str) -> str:
    """Starts a worker; the app is the reader's to name."""
    return command("consume", stream, "--group", group) + " --app MODULE:ATTR"


def where(stream: str, group: str | None = None) -> str:
    """For sentences: `in group mail of emails`, `in the groups of emails`."""
    return f"in the groups of {stream}" if group is None else f"in group {group} of {stream}"


def next_step(story: Story) -> str:
    """What a person can do for the job now: `put it back: retraced dlq requeue ...`, or nothing."""
    from retraced.store.reads.story import State

    match story.state:
        case State.DEAD:
            back = command("dlq", "requeue", story.stream, story.job, "--group", story.group)
            if story.reason == "invalid":  # the same entry would be buried again
                return f"mend it and put it back: {back} --edit"
            return f"put it back: {back}"
        case State.QUEUED | State.DELAYED if not (story.workers or story.paused):
            return f"start a worker: {consume(story.stream, story.group)}"
        case _:
            return ""
