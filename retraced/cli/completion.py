"""`retraced completion`: the script by which a shell completes commands and names."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import click
from click.shell_completion import (
    BashComplete,
    FishComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from retraced.errors import UsageError

VARIABLE = "_RETRACED_COMPLETE"
SHELLS = ("bash", "zsh", "fish")

EXAMPLES = """
\b
Examples:
  eval "$(retraced completion bash)"                       # in ~/.bashrc
  eval "$(retraced completion zsh)"                        # in ~/.zshrc
  retraced completion fish > ~/.config/fish/completions/retraced.fish

Names of streams and groups come from the server that the command line, the environment or
retraced.toml names, within a second; if it can't be reached nothing is completed. No server is
started for it. It prints the script, and no JSON.
"""

# click's own splits words as bash does, at `=` and `:` too: names with a colon and terms of a
# FILTER couldn't be completed. This one splits at blanks, and gives bash only what is behind its
# own last word break.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line whole current before response completion value
    line="${COMP_LINE:0:COMP_POINT}"
    whole="${line##*[[:space:]]}"
    current="${COMP_WORDS[COMP_CWORD]}"
    [[ "$current" == [:=]* ]] && current="${current:1}"
    before="${whole%%"$current"}"
    response=$(COMP_WORDS="$line" %(complete_var)s=bash_complete "$1")
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        case "$type" in
            dir) COMPREPLY=(); compopt -o dirnames 2>/dev/null ;;
            file) COMPREPLY=(); compopt -o default 2>/dev/null ;;
            plain)
                COMPREPLY+=("${value#"$before"}")
                [[ "$value" == *[=.] ]] && compopt -o nospace 2>/dev/null
                ;;
        esac
    done
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class RetracedBash(BashComplete):
    """Completion for bash; words end at blanks only."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        if not words or line[-1:].isspace():
            return words, ""
        return words[:-1], words[-1]


class RetracedZsh(ZshComplete):
    """Completion for zsh; what a value is still to follow gets no blank."""

    source_template = ZshComplete.source_template.replace(
        "        compadd -U -V unsorted -a completions\n",
        "        local -a open=(${(M)completions:#*[=.]}) closed=(${completions:#*[=.]})\n"
        "        (( $#open )) && compadd -U -S '' -V unsorted -a open\n"
        "        (( $#closed )) && compadd -U -V unsorted -a closed\n",
    )


class RetracedFish(FishComplete):
    """Completion for fish; descriptions may have commas."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split -m 1 ","'
    )


def register() -> None:
    """Makes ours the completion of each shell."""
    for kind in (RetracedBash, RetracedZsh, RetracedFish):
        add_completion_class(kind)


def be_silent() -> None:
    """Whatever goes wrong, nothing is written over the line that somebody types."""
    sys.stderr = io.StringIO()


@click.command(epilog=EXAMPLES)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the script that completes commands, options, streams and groups in a shell.

    Without a SHELL it is the one that $SHELL names.
    """
    click.echo(source(shell or _own_shell()), nl=False)


def source(shell: str) -> str:
    """The script for one of the SHELLS."""
    from retraced.cli.main import main

    register()
    kind = get_completion_class(shell)
    assert kind is not None, shell
    complete = kind(main, {}, "retraced", VARIABLE)
    return kind.source_template % complete.source_vars() + "\n"


def _own_shell() -> str:
    name = Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise UsageError(f"say which shell: {', '.join(SHELLS)}")
    return name
