"""The compose stack: Redis and workers from the image, scaled, unprivileged, and put to work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import free_port, in_ci, missing
from tests.waiting import wait_until

DOCKER = Path(__file__).parents[2] / "docker"
WORKERS = 5
JOBS = 50

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Stack:
    """One run of the compose file, under a name and on a port of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self._name = f"retraced-test-{uuid.uuid4().hex[:8]}"

    def compose(self, *arguments: str) -> str:
        file = str(DOCKER / "compose.yaml")
        done = subprocess.run(
            ["docker", "compose", "-p", self._name, "-f", file, *arguments],
            env={**os.environ, "REDIS_PORT": str(self.port)},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"compose {' '.join(arguments)}:\n{done.stderr}"
        return done.stdout

    def workers(self) -> list[str]:
        return self.compose("ps", "-q", "--status", "running", "worker").split()


@pytest.fixture
def stack() -> Iterator[Stack]:
    trouble = _trouble()
    if trouble and not in_ci():
        pytest.skip(f"the compose stack can't run: {trouble}")
    assert not trouble, trouble
    stack = Stack()
    try:
        yield stack
    finally:
        stack.compose("down", "-v", "--timeout", "5")


def test_five_workers_share_the_jobs_that_anybody_adds(stack: Stack) -> None:
    stack.compose("up", "-d", "--build", "--scale", f"worker={WORKERS}")
    with redis.Redis(port=stack.port) as client:
        jobs = [client.xadd("jobs", {"to": f"ada-{number}"}).decode() for number in range(JOBS)]
        wait_until(lambda: client.xlen("jobs") == 0, 30.0, "all jobs are done")
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    log = stack.compose("logs", "worker")
    assert [job for job in jobs if job not in log] == []
    workers = stack.workers()
    assert len(workers) == WORKERS
    for worker in workers:
        _is_unprivileged(worker)
    wait_until(lambda: {_health(each) for each in workers} == {"healthy"}, 90.0, "all are well")


def _health(container: str) -> str:
    """What docker makes of its health check: starting, healthy or unhealthy."""
    show = ["docker", "inspect", "--format", "{{.State.Health.Status}}", container]
    return subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()


def _is_unprivileged(container: str) -> None:
    shown = subprocess.run(["docker", "inspect", container], capture_output=True, check=True)
    (facts,) = json.loads(shown.stdout)
    assert facts["Config"]["User"] == "10001:10001"
    assert facts["HostConfig"]["ReadonlyRootfs"]
    assert facts["RestartCount"] == 0


def _trouble() -> str | None:
    if shutil.which("docker") is None:
        return "there is no docker"
    if subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    ).returncode:
        return "there is no docker compose"
    return missing(["python:3.13-slim", "redis:8.0"])
