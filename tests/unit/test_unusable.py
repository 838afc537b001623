"""What the worker says of a key that should be a record."""

from __future__ import annotations

import io
import json

from retraced.keys import Keys
from retraced.log import Log
from retraced.worker import unusable
from retraced.worker.subscription import Policy, Subscription


def test_an_unusable_record_is_named_once_in_a_while() -> None:
    written = io.StringIO()
    log = Log(form="json", stream=written)
    subscription = Subscription(Keys.of("s", "g"), policy=Policy(), visibility_ms=30_000)
    unusable.report(log, subscription, b"")
    for _ in range(3):
        unusable.report(log, subscription, b"retraced:{s}:g:job:1-1")
    [line] = map(json.loads, written.getvalue().splitlines())
    assert (line["event"], line["key"]) == ("record_unusable", "retraced:{s}:g:job:1-1")
