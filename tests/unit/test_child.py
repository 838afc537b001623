"""Our ends of a child's pipes."""

from __future__ import annotations

import os

from retraced.handlers.child import Reading, returned


async def test_what_is_left_in_a_pipe_is_taken_before_it_is_closed() -> None:
    taken: list[bytes] = []
    pipe = Reading(taken.append)
    pipe.open()
    os.write(pipe.theirs, b"last words")
    pipe.close()
    assert taken == [b"last words"]


async def test_a_pipe_that_others_still_hold_does_not_keep_its_reader() -> None:
    taken: list[bytes] = []
    pipe = Reading(taken.append)
    pipe.open()
    others = os.dup(pipe.theirs)
    pipe.begin()
    pipe.close()
    os.close(others)


def test_return_codes_in_words() -> None:
    assert returned(3) == "exit code 3"
    assert returned(-11) == "killed by signal SIGSEGV"
    assert returned(-99) == "killed by signal 99"
