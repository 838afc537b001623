"""Judges the server: version, memory, persistence, replication. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retraced.cli.doctor.finding import Finding, cli, ok, problem, size, unknown, warning
from retraced.durations import format_ms

Info = Mapping[str, str]
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
    product, number = _product(info)
    if not number:
        return [unknown("version", "the server doesn't tell its version", "See INFO server.")]
    least = LEAST_VALKEY if product == "Valkey" else LEAST_VERSION
    told = f"{product} {number}, {info.get('redis_mode', 'standalone')}"
    facts = {"product": product.lower(), "version": number}
    if _parts(number) < least:
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


def memory(info: Info) -> list[Finding]:
    """How full it is, and what it does when it is full."""
    used, limit = _number(info, "used_memory"), _number(info, "maxmemory")
    system = _number(info, "total_system_memory")
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
    policy, evicted = info.get("maxmemory_policy", ""), _number(info, "evicted_keys")
    limit = _number(info, "maxmemory")
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
    connected, limit = _number(info, "connected_clients"), _number(info, "maxclients")
    rejected = _number(info, "rejected_connections")
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


def persistence(info: Info, config: Mapping[str, str] | None, now_ms: int) -> list[Finding]:
    """What survives a restart. `config`: save and appendfsync, None if they couldn't be read."""
    failed = _failed_writes(info)
    if failed:
        return failed
    aof = info.get("aof_enabled") == "1"
    saved = _number(info, "rdb_last_save_time") * 1000
    facts = {"aof": aof, "rdb_last_save_ms": saved}
    switch_on = cli("CONFIG", "SET", "appendonly", "yes")
    if aof:
        return [_fsync(config, facts)]
    if config is None:
        return [
            unknown(
                "persistence",
                "the append-only file is off; whether snapshots are made "
                "can't be read (CONFIG GET is forbidden)",
                "Make sure that your provider keeps the data: without the append-only "
                "file a restart loses the newest jobs.",
                **facts,
            )
        ]
    rules = config.get("save", "")
    if not rules:
        return [
            warning(
                "persistence",
                "neither the append-only file nor snapshots are on: a "
                "restart of the server loses all jobs",
                "Switch the append-only file on (and in redis.conf).",
                switch_on,
                cli("CONFIG", "REWRITE"),
                **facts,
            )
        ]
    age = f"the last one {format_ms(max(now_ms - saved, 0))} ago" if saved else "none yet"
    return [
        warning(
            "persistence",
            f"only snapshots are made (save {rules}; {age}): a crash of "
            "the server loses every job and result since the last one",
            "Switch the append-only file on (and in redis.conf).",
            switch_on,
            cli("CONFIG", "REWRITE"),
            **facts,
        )
    ]


def _failed_writes(info: Info) -> list[Finding]:
    names = {
        "aof_last_write_status": "the last write to the append-only file",
        "aof_last_bgrewrite_status": "the last rewrite of the append-only file",
        "rdb_last_bgsave_status": "the last snapshot",
    }
    failed = [told for name, told in names.items() if info.get(name, "ok") != "ok"]
    if not failed:
        return []
    return [
        problem(
            "persistence",
            f"{' and '.join(failed)} failed; Redis may refuse writes until it succeeds",
            "Look at its log and at the room on its disk, then let it try again.",
            cli("BGSAVE"),
            cli("BGREWRITEAOF"),
            failed=failed,
        )
    ]


def _fsync(config: Mapping[str, str] | None, facts: Mapping[str, object]) -> Finding:
    how = (config or {}).get("appendfsync", "")
    if how == "no":
        return warning(
            "persistence",
            "the append-only file is on, but appendfsync is no: a "
            "crash of the host loses some 30 s",
            "Let it be written once a second.",
            cli("CONFIG", "SET", "appendfsync", "everysec"),
            **facts,
        )
    loses = {"everysec": ": a crash of the host loses a second or two", "always": ""}.get(how, "")
    told = f", appendfsync is {how}{loses}" if how else ""
    return ok("persistence", f"the append-only file is on{told}", **facts)


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
    replicas = [
        dict(part.partition("=")[::2] for part in value.split(","))
        for name, value in info.items()
        if name.startswith("slave") and name[5:].isdigit()
    ]
    late = [
        f"{each.get('ip')}:{each.get('port')}"
        for each in replicas
        if each.get("state") != "online" or int(each.get("lag") or 0) > REPLICA_LAG_S
    ]
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


def _parts(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split(".") if part.isdigit())


def _number(info: Info, name: str) -> int:
    value = info.get(name, "")
    return int(value) if value.isdigit() else 0
