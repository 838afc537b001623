"""The command that goes on where one was stopped: its words, without what is done."""

from __future__ import annotations

import click
import pytest

from retraced.cli.commandline import GIVEN, CommandLine


@click.command()
@click.argument("words", nargs=-1)
@click.option("--limit", type=int)
@click.option("-g", "--group")
@click.option("--yes", is_flag=True)
def act(**_: object) -> None:
    """A command of bulk work."""


def line(*words: str) -> CommandLine:
    ctx = click.Context(act)
    ctx.meta[GIVEN] = words
    return CommandLine.of(ctx)


def test_it_is_what_was_given_quoted_for_a_shell() -> None:
    assert (
        str(line("act", "s", "error:no route", "--yes")) == "retraced act s 'error:no route' --yes"
    )


def test_a_password_is_not_told() -> None:
    told = str(line("--url", "redis://:secret@host/0", "act"))
    assert "secret" not in told
    assert "redis://:***@host/0" in told


@pytest.mark.parametrize(
    "given", [("--limit", "5"), ("--limit=5",), ("--limit", "5", "--limit=7"), ()]
)
def test_an_option_takes_the_place_of_the_one_that_was_given(given: tuple[str, ...]) -> None:
    told = line("act", "s", *given, "--yes").having({"--limit": "3"})
    assert str(told) == "retraced act s --yes --limit 3"


def test_words_behind_two_dashes_stay_there() -> None:
    told = line("act", "s", "--", "--limit", "5").having({"--limit": "3"})
    assert str(told).startswith("retraced act s --limit 3 -- ")


def test_ids_that_are_done_go_however_they_were_written_and_values_of_options_stay() -> None:
    told = line("act", "s", "5", "6-0", "7-1", "--limit", "5", "-g", "6-0")
    assert str(told.without({b"5-0", b"6-0"})) == "retraced act s 7-1 --limit 5 -g 6-0"
