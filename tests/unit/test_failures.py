"""What redis-py raises, in the words of ReTraced."""

from __future__ import annotations

import pytest
import redis

from retraced.store.failures import translate


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (
            "Error 111 connecting to h:1. Connect call failed ('127.0.0.1', 1).",
            "Connection refused",
        ),
        ("Error -2 connecting to h:1. Name or service not known.", "Name or service not known"),
        ("Error 2 connecting to /tmp/s. No such file or directory.", "No such file or directory"),
        (
            (
                "Error Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), "
                "[Errno 111] Connect call failed ('127.0.0.1', 1) connecting to h:1."
            ),
            "Connection refused",
        ),
        ("Connection closed by server.", "Connection closed by server"),
    ],
)
def test_a_failed_connection_is_told_once(raised: str, said: str) -> None:
    told = str(translate(redis.ConnectionError(raised), "redis://h:1"))
    assert told == f"can't reach redis://h:1: {said}. Is it up, and the URL right?"
