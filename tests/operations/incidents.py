"""The incidents of the runbook, by the anchor of their section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.operations import memory, servers, work
from tests.operations.incident import Incident

INCIDENTS: Mapping[str, Callable[[str, Path], Incident]] = {
    "the-first-three-commands": work.Quiet,
    "jobs-are-late": work.Late,
    "a-job-runs-twice": work.Twice,
    "a-worker-is-stuck": work.Stuck,
    "poison": work.Poison,
    "a-bad-deploy-buried-40000": work.BadDeploy,
    "unknown-type": work.UnknownType,
    "one-tenant-floods": work.Flood,
    "memory-grows": memory.Growing,
    "redis-is-full": memory.Full,
    "a-group-without-workers-pins-the-stream": memory.Pinned,
    "redis-was-restarted": servers.Restarted,
    "a-failover-happened": servers.FailedOver,
    "someone-ran-flushall": servers.Flushed,
    "acl-or-tls-changed": servers.Denied,
    "move-a-stream-to-another-server": servers.Moved,
}
