"""Judges what survives a restart of the server. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Mapping

from retraced.cli.doctor.finding import Finding, Info, cli, number, ok, problem, unknown, warning
from retraced.durations import format_ms

_SWITCH_ON = (cli("CONFIG", "SET", "appendonly", "yes"), cli("CONFIG", "REWRITE"))


def persistence(info: Info, config: Mapping[str, str] | None, now_ms: int) -> list[Finding]:
    """`config`: save and appendfsync, None if they couldn't be read."""
    failed = _failed_writes(info)
    if failed:
        return failed
    aof = info.get("aof_enabled") == "1"
    saved_ms = number(info, "rdb_last_save_time") * 1000
    facts = {"aof": aof, "rdb_last_save_ms": saved_ms}
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
    lost = _lost(config.get("save", ""), saved_ms, now_ms)
    advice = "Switch the append-only file on (and in redis.conf)."
    return [warning("persistence", lost, advice, *_SWITCH_ON, **facts)]


def _lost(rules: str, saved_ms: int, now_ms: int) -> str:
    """What a restart loses without the append-only file."""
    if not rules:
        return (
            "neither the append-only file nor snapshots are on: a restart of the server loses all "
            "jobs"
        )
    age = f"the last one {format_ms(max(now_ms - saved_ms, 0))} ago" if saved_ms else "none yet"
    return (
        f"only snapshots are made (save {rules}; {age}): a crash of the server loses every job and "
        "result since the last one"
    )


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
