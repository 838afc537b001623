"""Settings: who wins, what is refused, and that no password is printed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraced import config
from retraced.config import ServerChoice, Source, named_server
from retraced.errors import ConfigError, UsageError

ALL = {"RETRACED_URL": "redis://retraced", "REDIS_URL": "redis://plain"}


@pytest.mark.parametrize(
    ("flag", "environ", "file_url", "expected"),
    [
        ("redis://flag", ALL, "redis://file", ServerChoice("redis://flag", Source.FLAG)),
        (None, ALL, "redis://file", ServerChoice("redis://retraced", Source.ENVIRONMENT)),
        (
            None,
            {"REDIS_URL": "redis://plain"},
            "redis://file",
            ServerChoice("redis://plain", Source.ENVIRONMENT),
        ),
        (None, {}, "redis://file", ServerChoice("redis://file", Source.FILE)),
        ("", {"RETRACED_URL": ""}, "redis://file", ServerChoice("redis://file", Source.FILE)),
        (None, {}, None, None),
    ],
)
def test_the_flag_wins_over_the_environment_and_that_over_the_file(
    flag: str | None, environ: dict[str, str], file_url: str | None, expected: ServerChoice | None
) -> None:
    assert named_server(flag, environ, file_url=file_url) == expected


@pytest.mark.parametrize("url", ["http://host", "host:6379", "redis", "redis//x", "redis://[::1"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="server's URL"):
        named_server(url, {})


def test_a_refused_url_is_named_without_its_password() -> None:
    with pytest.raises(ConfigError) as caught:
        config.checked_url("http://me:secret@host/0?password=secret")
    assert "secret" not in str(caught.value)
    assert "host" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:secret@host/1", "redis://:***@host/1"),
        ("rediss://ada:secret@host", "rediss://ada:***@host"),
        ("redis://ada:se@cret@host", "redis://ada:***@host"),
        ("redis://ada@host", "redis://ada@host"),
        ("unix:///run/redis.sock?db=1&password=secret", "unix:///run/redis.sock?db=1&password=***"),
        (
            "redis+sentinel://:secret@a:26379,b/svc/0?sentinel_password=secret",
            "redis+sentinel://:***@a:26379,b/svc/0?sentinel_password=***",
        ),
        ("redis://[broken:secret@", "redis://[broken:***@"),
        ("redis://:sec/r?et@host/0", "redis://:***@host/0"),
        ("redis://host:1/0?password=se@cret", "redis://host:1/0?password=***"),
    ],
)
def test_passwords_are_never_shown(url: str, shown: str) -> None:
    assert config.without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        ("embedded://", Path(".retraced")),
        ("embedded://data", Path("data")),
        ("embedded://data/deep", Path("data/deep")),
        ("embedded:///var/data", Path("/var/data")),
        ("embedded://with%20space", Path("with space")),
        ("embedded://~/data", Path.home() / "data"),
    ],
)
def test_an_embedded_url_names_its_directory(url: str, directory: Path) -> None:
    assert config.is_embedded(url)
    assert config.embedded_directory(url) == directory


def test_the_error_without_a_server_names_the_remedies() -> None:
    text = str(config.no_server())
    for remedy in ("--url", "RETRACED_URL", "REDIS_URL", "embedded://"):
        assert remedy in text


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1 << 20),
        ("1MiB", 1 << 20),
        ("1 mib", 1 << 20),
        ("64kB", 64_000),
        ("64KiB", 65_536),
        ("2GiB", 2 << 30),
        ("512B", 512),
    ],
)
def test_sizes_have_decimal_and_binary_units(text: str, size: int) -> None:
    assert config.parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "-1", "1.5MiB", "MiB", "1m", "1e3", "\u0661MiB", "1  kB", "9" * 16]
)
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="--max-payload"):
        config.parse_size(text, field="--max-payload")


@given(st.text())
def test_any_text_is_a_size_or_a_usage_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert config.parse_size(text) >= 0


@given(st.text())
def test_redaction_never_fails(text: str) -> None:
    assert isinstance(config.without_password(f"redis://{text}"), str)


def test_settings_come_from_retraced_toml_before_pyproject(tmp_path: Path) -> None:
    assert config.read_settings(tmp_path) == {}
    (tmp_path / "pyproject.toml").write_text('[tool.retraced]\nurl = "redis://project"\n')
    assert config.read_settings(tmp_path) == {"url": "redis://project"}
    (tmp_path / "retraced.toml").write_text("[consume]\nmax-payload = '1MiB'\n")
    assert config.read_settings(tmp_path) == {"consume": {"max_payload": "1MiB"}}


def test_a_project_without_our_table_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert config.read_settings(tmp_path) == {}


@pytest.mark.parametrize("text", ["url = ", "[tool]\nretraced = 1\n"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"pyproject\.toml"):
        config.read_settings(tmp_path)


def test_an_unknown_setting_gets_a_suggestion() -> None:
    config.check_names(["url"], ["url", "output"], where="settings")
    with pytest.raises(ConfigError, match="did you mean 'output'"):
        config.check_names(["outptu"], ["url", "output"], where="settings")
    with pytest.raises(ConfigError, match="known: output, url"):
        config.check_names(["zzz"], ["url", "output"], where="settings")
