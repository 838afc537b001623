"""The command's shell: names, suggestions, settings, variables and exit codes, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from retraced.cli.main import Commands, main
from retraced.errors import NotFound, Refused, RetracedError, Unavailable, UsageError

Run = Callable[..., Result]


@click.command()
@click.option("--from", "start", default="start")
@click.option("--max-jobs", type=int, default=0)
@click.option("--type", "types", multiple=True)
@click.option("--raises")
def probe(start: str, max_jobs: int, types: tuple[str, ...], raises: str | None) -> None:
    """Shows what it was given."""
    match raises:
        case "group":
            raise BaseExceptionGroup("tasks", [ExceptionGroup("inner", [Unavailable("gone")])])
        case "mixed":
            raise ExceptionGroup("tasks", [Unavailable("gone"), ValueError("a bug")])
        case str():
            errors = {
                kind.__name__: kind for kind in (NotFound, Refused, UsageError, RetracedError)
            }
            raise errors[raises]("what happened; what to do")
    click.echo(json.dumps({"start": start, "max_jobs": max_jobs, "types": types}))


@click.group()
def things() -> None:
    """A group, with `things probe`."""


things.add_command(probe)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command in an empty directory, with `probe` and `things probe` as its commands."""
    monkeypatch.chdir(tmp_path)
    targets = {"probe": f"{__name__}:probe", "things": f"{__name__}:things"}
    command = Commands(
        name="retraced", targets=targets, params=list(main.params), callback=main.callback
    )

    def run(*args: str, **env: str) -> Result:
        return CliRunner(env=env).invoke(command, args)

    return run


def given(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    shown: dict[str, object] = json.loads(result.stdout)
    return shown


def test_the_flag_wins_over_the_variable_over_the_file_over_the_default(
    run: Run, tmp_path: Path
) -> None:
    assert given(run("probe"))["max_jobs"] == 0
    (tmp_path / "retraced.toml").write_text("[probe]\nmax-jobs = 1\n")
    assert given(run("probe"))["max_jobs"] == 1
    assert given(run("probe", RETRACED_MAX_JOBS="2"))["max_jobs"] == 2
    assert given(run("probe", "--max-jobs", "3", RETRACED_MAX_JOBS="2"))["max_jobs"] == 3


def test_variables_and_settings_are_named_after_the_flag(run: Run, tmp_path: Path) -> None:
    assert given(run("probe", RETRACED_FROM="now"))["start"] == "now"
    assert given(run("things", "probe", RETRACED_FROM="now"))["start"] == "now"
    assert given(run("probe", RETRACED_TYPE="a b"))["types"] == ["a", "b"]
    (tmp_path / "retraced.toml").write_text(
        "[probe]\nfrom = 'now'\ntype = ['a', 'b']\n[things.probe]\nmax_jobs = 4\n"
    )
    assert given(run("probe")) == {"start": "now", "max_jobs": 0, "types": ["a", "b"]}
    assert given(run("things", "probe"))["max_jobs"] == 4


def test_inside_a_job_its_facts_are_no_settings(run: Run) -> None:
    facts = {"RETRACED_JOB_ID": "1-0", "RETRACED_TYPE": "email", "RETRACED_MAX_JOBS": "2"}
    assert given(run("probe", **facts)) == {"start": "start", "max_jobs": 2, "types": []}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[probe]\nmax_job = 1\n", "[probe]: there is no setting 'max_job'; did you mean"),
        ("[things.probe]\nfrm = 1\n", "[things.probe]: there is no setting 'frm'"),
        ("prob = 1\n", "settings: there is no setting 'prob'; did you mean 'probe'?"),
        ("probe = 1\n", "[probe] must be a table"),
        ("probe = \n", "retraced.toml can't be read"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(
    run: Run, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "retraced.toml").write_text(text)
    result = run("probe" if "things" not in text else "things", "probe")
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [("NotFound", 3), ("Refused", 6), ("UsageError", 2), ("RetracedError", 1)],
)
def test_an_error_is_one_line_and_its_exit_code(run: Run, error: str, code: int) -> None:
    result = run("probe", "--raises", error)
    assert result.exit_code == code
    assert result.stderr == "Error: what happened; what to do\n"
    assert result.stdout == ""


def test_an_error_from_within_a_group_of_tasks_counts_as_itself(run: Run) -> None:
    result = run("probe", "--raises", "group")
    assert (result.exit_code, result.stderr) == (4, "Error: gone\n")


def test_a_bug_beside_it_is_not_hidden(run: Run) -> None:
    result = run("probe", "--raises", "mixed")
    assert isinstance(result.exception, ExceptionGroup)


def test_an_unknown_command_gets_a_suggestion(run: Run) -> None:
    result = run("prob")
    assert result.exit_code == 2
    assert "No such command 'prob'. Did you mean 'probe'?" in result.stderr
    assert "No such command 'zzz'. There are probe, things." in run("zzz").stderr
    assert "No such command 'prob'. Did you mean 'probe'?" in run("things", "prob").stderr


def test_the_version_is_the_packages(run: Run) -> None:
    import retraced

    assert retraced.__version__ in run("--version", RETRACED_VERSION="nonsense").stdout


def test_every_command_of_the_map_can_be_imported_and_has_a_help_text() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0, result.output
    for name in main.targets:
        assert f"  {name} " in result.output


@pytest.mark.parametrize("option", ["--from", "--type"])
def test_bytes_that_are_no_text_are_refused_by_the_name_of_their_option(
    run: Run, option: str
) -> None:
    result = run("probe", option, "a\udcff")
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': 'a\\udcff' isn't valid text (UTF-8)" in result.output
