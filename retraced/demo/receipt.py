"""The command of the demo's group `mail`: `retraced consume --exec "python receipt.py LEDGER"`.

It knows nothing of ReTraced but what every command is told: the order on stdin, facts in the
environment; its exit code says what came of it: 0 done, 65 bury, anything else try again.
"""

from __future__ import annotations

import json
import os
import sys
import time

DONE, BURY, TRY_AGAIN = 0, 65, 75


def main(ledger: str) -> int:
    """Sends one receipt."""
    order = json.load(sys.stdin)
    note(ledger, "began")
    time.sleep(0.1 + int(order["order"]) % 7 * 0.05)
    if order["to"].endswith("@nowhere.example"):
        return refused(ledger, BURY, f"there is no such address: {order['to']}")
    if order["to"].endswith("@busy.example") and os.environ["RETRACED_JOB_ATTEMPT"] == "1":
        return refused(ledger, TRY_AGAIN, "the mail server is busy")
    note(ledger, "ended")
    return DONE


def refused(ledger: str, code: int, error: str) -> int:
    """The end of stderr is the error that the story tells."""
    note(ledger, "failed")
    sys.stderr.write(error + "\n")
    return code


def note(ledger: str, what: str) -> None:
    """A line of the ledger, in one write."""
    job, fence = os.environ["RETRACED_JOB_ID"], os.environ["RETRACED_JOB_FENCE"]
    line = f"{what} {job} {fence} {os.environ['DEMO_WORKER']} {time.time_ns() // 1_000_000}\n"
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
