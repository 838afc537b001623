"""Judges the server: version, memory, clients, replication. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retraced.cli.doctor.finding import Finding, Info, cli, number, ok, problem, unknown, warning
from retraced.cli.words import size

LEAST_VERSION = (6, 2)
LEAST_VALKEY = (7, 2)
FULL, NEARLY_FULL = 0.98, 0.85
REPLICA_LAG_S = 10


def version(info: Info) -> list[Finding]:
    """The product and its release."""
    if "dragonfly_version" in info:
        return [
            problem(
                "version",
                "this is Dragonfly, which forbids undeclared keys in scripts by default",
                "Use Redis 6.2 or newer, or Valkey 7.2 or newer.",
            )
        ]
    product, release = _product(info)
    if not release:
        return [unknown("version", "the server doesn't tell its version", "See INFO server.")]
    least = LEAST_VALKEY if product == "Valkey" else LEAST_VERSION
    told = f"{product} {release}, {info.get('redis_mode', 'standalone')}"
    facts = {"product": product.lower(), "version": release}
    if _parts(release) < least:
        needed = ".".join(map(str, least))
        return [
            problem(
                "version",
                told,
                f"ReTraced needs {product} {needed} or newer: upgrade the server.",
                **facts,
            )
        ]
    return [ok("version", told, **facts)]


def commands(missing: Sequence[str], asked: int) -> list[Finding]:
    """`missing`: commands that the server doesn't have, or that were renamed."""
    if not missing:
        return [ok("commands", f"all {asked} commands that ReTraced needs are there")]
    names = ", ".join(missing)
    return [
        problem(
            "commands",
            f"the server lacks {names}",
            "They were renamed or disabled (rename-command), or the product doesn't have them: "
            "take that setting out, or use another server.",
            missing=list(missing),
        )
    ]


def flushed(calls: Mapping[str, int]) -> list[Finding]:
    """`calls`: how often each command ran that deletes all."""
    ran = {name: count for name, count in calls.items() if count}
    if not ran:
        return [ok("flushed", "neither FLUSHALL nor FLUSHDB has run since the server started")]
    told = " and ".join(f"{name} {count:,} time{'s' * (count != 1)}" for name, count in ran.items())
    return [
        warning(
            "flushed",
            f"since the server started somebody ran {told}: jobs of before the last one are lost, "
            "with their story, and workers have made their groups again",
            "If that wasn't meant: `Someone ran FLUSHALL` in docs/operations.md says how to find "
            "what was lost. Take the right from all but you, and when it is settled set the "
            "counters back.",
            cli("INFO", "commandstats"),
            cli("ACL", "SETUSER", "default", "-flushall", "-flushdb"),
            cli("CONFIG", "RESETSTAT"),
            **{name.lower(): count for name, count in ran.items()},
        )
    ]


def memory(info: Info) -> list[Finding]:
    """How full it is, and what it does when it is full."""
    used, limit = number(info, "used_memory"), number(info, "maxmemory")
    system = number(info, "total_system_memory")
    facts = {"used": used, "maxmemory": limit, "system": system}
    if limit and used >= FULL * limit:
        return [
            problem(
                "memory",
                f"full: {size(used)} of {size(limit)} (maxmemory) are used, so "
                "new jobs are refused; those accepted go on",
                _MEMORY,
                _RAISE,
                **facts,
            )
        ]
    bound = limit or system
    name = "maxmemory" if limit else "the host's memory; maxmemory isn't set"
    if bound and used >= NEARLY_FULL * bound:
        return [
            warning(
                "memory",
                f"{size(used)} of {size(bound)} ({name}) are used",
                _MEMORY,
                _RAISE,
                **facts,
            )
        ]
    told = f"of {size(bound)} ({name})" if bound else "(maxmemory isn't set)"
    return [ok("memory", f"{size(used)} {told} are used", **facts)]


_MEMORY = (
    "Give the server more, or free what isn't needed: the findings named `weight` and `pinned` say "
    "what takes how much."
)
_RAISE = cli("CONFIG", "SET", "maxmemory", "BYTES")


def eviction(info: Info) -> list[Finding]:
    """Whether the server may throw jobs away when it is full, or has done so."""
    policy, evicted = info.get("maxmemory_policy", ""), number(info, "evicted_keys")
    limit = number(info, "maxmemory")
    facts = {"policy": policy, "evicted_keys": evicted}
    if not policy:
        return [
            unknown(
                "eviction",
                "INFO doesn't tell maxmemory-policy",
                "See the settings of your provider: it must be noeviction.",
            )
        ]
    change = cli("CONFIG", "SET", "maxmemory-policy", "noeviction")
    if policy == "noeviction":
        return [ok("eviction", "maxmemory-policy is noeviction", **facts)]
    lost = f"; {evicted:,} keys were evicted since it started" if evicted else ""
    if policy.startswith("allkeys"):
        return [
            problem(
                "eviction",
                f"maxmemory-policy is {policy}: when memory is full the server deletes whole "
                f"streams and groups of jobs{lost}",
                "Set it to noeviction (and in redis.conf, or it is back after a restart).",
                change,
                **facts,
            )
        ]
    told = (
        f"maxmemory-policy is {policy}: when memory is full heartbeats of workers and dedup "
        f"marks are deleted, jobs aren't{lost}"
    )
    level = problem if evicted else warning
    if not limit and not evicted:
        return [ok("eviction", f"{told}; maxmemory isn't set", **facts)]
    return [level("eviction", told, "Set it to noeviction.", change, **facts)]


def clients(info: Info) -> list[Finding]:
    """Whether connections run out."""
    connected, limit = number(info, "connected_clients"), number(info, "maxclients")
    rejected = number(info, "rejected_connections")
    facts = {"connected": connected, "maxclients": limit, "rejected": rejected}
    if limit and connected >= 0.9 * limit:
        return [
            warning(
                "clients",
                f"{connected:,} of {limit:,} connections are taken; "
                f"{rejected:,} were refused since it started",
                "Find what holds them, or allow more.",
                cli("CLIENT", "LIST"),
                cli("CONFIG", "SET", "maxclients", str(2 * limit)),
                **facts,
            )
        ]
    return [ok("clients", f"{connected:,} connections", **facts)]


def replication(info: Info) -> list[Finding]:
    """Whether this is the primary, and how far its replicas are behind."""
    role = info.get("role", "")
    if role == "slave":
        primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
        return [
            problem(
                "replication",
                f"this is a replica of {primary}: it refuses writes",
                "Connect to the primary.",
                ("retraced", "--url", f"redis://{primary}", "doctor"),
                role=role,
            )
        ]
    replicas = _replicas(info)
    late = _late(replicas)
    facts = {"role": role or None, "replicas": len(replicas), "late": late}
    if late:
        return [
            warning(
                "replication",
                f"replicas are behind or not yet in step: "
                f"{', '.join(late)}; a failover to one of them loses jobs",
                "See their logs and the network between.",
                cli("INFO", "replication"),
                **facts,
            )
        ]
    count = len(replicas)
    told = f"the primary, with {count} replica{'s' * (count != 1)}" if count else "no replicas"
    return [ok("replication", told, **facts)]


def _replicas(info: Info) -> list[dict[str, str]]:
    """What the primary tells of each: ip, port, state, lag."""
    return [
        dict(part.partition("=")[::2] for part in value.split(","))
        for name, value in info.items()
        if name.startswith("slave") and name[5:].isdigit()
    ]


def _late(replicas: Sequence[Mapping[str, str]]) -> list[str]:
    return [
        f"{each.get('ip')}:{each.get('port')}"
        for each in replicas
        if each.get("state") != "online" or int(each.get("lag") or 0) > REPLICA_LAG_S
    ]


def cluster(info: Info) -> list[Finding]:
    """Only one node is seen."""
    if info.get("cluster_enabled") != "1":
        return []
    return [
        warning(
            "cluster",
            "this is one node of a cluster: only its streams are seen here",
            "Run doctor against each node.",
            cli("CLUSTER", "NODES"),
        )
    ]


def _product(info: Info) -> tuple[str, str]:
    if "valkey_version" in info:
        return "Valkey", info["valkey_version"]
    return "Redis", info.get("redis_version", "")


def _parts(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdigit())
