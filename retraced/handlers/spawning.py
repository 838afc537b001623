"""Starts a command by posix_spawn, in a session of its own, with pipes for stdin and outputs."""

import errno
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache

from retraced.handlers.pipes import STANDARD, Pipe

# What Python ignores and a command must not inherit as ignored.
_TO_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ)


def spawned(command: Sequence[str], env: Mapping[str, str], standard: Sequence[Pipe | None]) -> int:
    """The process id of the command, started with these pipes as its descriptors 0, 1 and 2."""
    actions = [
        (os.POSIX_SPAWN_DUP2, pipe.theirs, number)
        for number, pipe in enumerate(standard)
        if pipe is not None
    ]

    def start(path: str) -> int:
        return os.posix_spawn(
            path, list(command), env, file_actions=actions, setsid=True, setsigdef=_TO_DEFAULT
        )

    name = command[0]
    if os.sep in name:
        return start(name)
    return _first_found(name, env.get("PATH", os.defpath), start)


def _first_found(name: str, path: str, start: Callable[[str], int]) -> int:
    """Starts the first command of this name on the PATH; remembered, as a shell remembers it."""
    with suppress(KeyError, FileNotFoundError):
        return start(_found[name, path])
    refused: OSError | None = None
    for folder in path.split(os.pathsep):
        place = os.path.join(folder, name)  # noqa: PTH118 - the PATH's own spelling
        if not os.access(place, os.F_OK):
            continue
        try:
            pid = start(place)
        except (FileNotFoundError, NotADirectoryError) as error:
            refused = refused or error
        except PermissionError as error:  # there may be one further on that we may run
            refused = error
        else:
            _found[name, path] = place
            return pid
    raise refused or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


_found: dict[tuple[str, str], str] = {}  # a worker has one command and one PATH


@cache
def keep_to_ourselves() -> None:
    """Descriptors that this process was started with aren't for its children; Python's never are.

    Done once: what is opened later isn't inheritable unless somebody wants it to be.
    """
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - no path is wanted
        with suppress(OSError):  # the listing's own descriptor is closed by now
            if int(name) >= STANDARD:
                os.set_inheritable(int(name), False)
