"""Where settings come from (flag, environment, file, default), and which server is meant.

Pure but for the reading of the configuration file: finding out whether a server answers, and
starting one, is for the callers (`cli/session.py`, `embedded.py`).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from retraced.errors import ConfigError, UsageError

LOCAL_HOST, LOCAL_PORT = "127.0.0.1", 6379
LOCAL_URL = f"redis://{LOCAL_HOST}:{LOCAL_PORT}"
DATA_DIRECTORY = ".retraced"
SCHEMES = ("redis", "rediss", "unix", "embedded")

_SIZES = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "kib": 1 << 10,
    "mb": 1000**2,
    "mib": 1 << 20,
    "gb": 1000**3,
    "gib": 1 << 30,
}
_LOGIN = re.compile(r"^([a-z+]*://[^:@/]*):.*@", re.DOTALL | re.IGNORECASE)
_SECRET = re.compile(r"([?&][^=&]*password=)[^&]*", re.IGNORECASE)
_SIZE = re.compile(r"([0-9]{1,15})\s?([A-Za-z]*)", re.ASCII)


class Source(StrEnum):
    """Who named the server."""

    FLAG = "--url"
    ENVIRONMENT = "the environment"
    FILE = "the configuration file"
    LOCAL = "a Redis on 127.0.0.1:6379"
    EMBEDDED = "the embedded server"


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """A server's URL and who named it."""

    url: str
    source: Source


def named_server(
    flag: str | None, environ: Mapping[str, str], *, file_url: str | None = None
) -> ServerChoice | None:
    """The server that somebody named: flag, RETRACED_URL, REDIS_URL, file; None if nobody did.

    Empty values count as absent. Raises ConfigError for a URL that can't be one.
    """
    candidates = (
        (flag, Source.FLAG),
        (environ.get("RETRACED_URL"), Source.ENVIRONMENT),
        (environ.get("REDIS_URL"), Source.ENVIRONMENT),
        (file_url, Source.FILE),
    )
    for url, source in candidates:
        if url:
            return ServerChoice(checked_url(url), source)
    return None


def no_server() -> ConfigError:
    """The error for a process without a terminal that finds no server, with its remedies."""
    return ConfigError(
        f"no server was named and none answers on {LOCAL_HOST}:{LOCAL_PORT}. "
        "Pass --url redis://HOST:PORT, or set RETRACED_URL (or REDIS_URL), "
        "or use the embedded server with --url embedded:// (pip install 'retraced[embedded]')."
    )


def checked_url(url: str) -> str:
    """The URL itself if its scheme is one of ours. Raises ConfigError."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise ConfigError(f"the server's URL can't be read: {error}") from error
    if scheme not in SCHEMES:
        allowed = ", ".join(f"{name}://" for name in SCHEMES)
        raise ConfigError(
            f"the server's URL {without_password(url)!r} must begin with one of {allowed}"
        )
    return url


def without_password(url: str) -> str:
    """The URL as it may be printed: no password, neither before the host nor in the query.

    It works on the text, since a URL that can't be taken apart may hold a password as well.
    """
    return _LOGIN.sub(r"\1:***@", _SECRET.sub(r"\1***", url))


def is_embedded(url: str) -> bool:
    return urlsplit(url).scheme == "embedded"


def embedded_directory(url: str) -> Path:
    """The data directory that an `embedded://[dir]` URL names; `.retraced` when it names none."""
    parts = urlsplit(url)
    text = unquote(parts.netloc + parts.path)
    return Path(text).expanduser() if text else Path(DATA_DIRECTORY)


def parse_size(text: str, *, field: str = "size") -> int:
    """Bytes of `1048576`, `64kB` (1000) or `1MiB` (1024 squared). Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    factor = _SIZES.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise UsageError(f"{field}: {text!r} is no size; write bytes, or a unit: 64kB, 1MiB, 2GiB")
    return int(match[1]) * factor


def read_settings(directory: Path) -> dict[str, Any]:
    """The settings in `directory`: `retraced.toml`, else `[tool.retraced]` of `pyproject.toml`.

    Names have `_` for `-`; a command's own settings are a table of its name. Raises ConfigError.
    """
    own = directory / "retraced.toml"
    if own.is_file():
        return _settings(_read_toml(own), own)
    project = directory / "pyproject.toml"
    if project.is_file():
        tool = _read_toml(project).get("tool")
        table = tool.get("retraced", {}) if isinstance(tool, dict) else {}
        return _settings(table, project)
    return {}


def check_names(given: Iterable[str], known: Iterable[str], *, where: str) -> None:
    """Raises ConfigError for the first name in `given` that isn't known, with a suggestion."""
    names = sorted(known)
    for name in given:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"
            raise ConfigError(f"{where}: there is no setting {name!r}; {hint}")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error


def _settings(table: object, path: Path) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.retraced] must be a table")
    settings: dict[str, Any] = {}
    for name, value in table.items():
        settings[str(name).replace("-", "_")] = (
            _settings(value, path) if isinstance(value, dict) else value
        )
    return settings
