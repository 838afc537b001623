"""A file that a command writes: new, and on the disk at the end; for the exports."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from retraced.errors import Refused, UsageError


@contextmanager
def new_file(file: str) -> Iterator[BinaryIO]:
    """The file, new and on the disk at the end, gone if an error left it empty; or stdout."""
    if file == "-":
        yield sys.stdout.buffer
        return
    try:
        out = Path(file).open("xb")  # noqa: SIM115 - closed below
    except FileExistsError:
        raise Refused(f"{file} is there already: name another file, or remove it") from None
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}") from None
    with out:
        try:
            yield out
        except BaseException:
            if not out.tell():
                Path(file).unlink()
            raise
        out.flush()
        os.fsync(out.fileno())
