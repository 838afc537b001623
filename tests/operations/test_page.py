"""What the runbook's page means to the tests that run it."""

from __future__ import annotations

from tests.operations import page

TEXT = """\
# A page
## Memory grows (a little)
**See** it:
```console
$ first --long \\
    word
NAME  COUNT
...
a ... 12
$ second
Error: no
[exit 6]
```
and more.
**Do** something:
```console
$ # wake Ada
```
```sh
$ not this
```
"""


def test_a_section_has_its_commands_with_what_they_show_and_their_exit_codes() -> None:
    (section,) = page.sections(TEXT)
    first, second, by_hand = section.steps
    assert section.slug == "memory-grows-a-little"
    assert first.command == "first --long \\\n    word"
    assert first.shows == ("NAME  COUNT", "a ... 12")
    assert (second.shows, second.code, second.label, second.line) == (("Error: no",), 6, "See", 10)
    assert by_hand.by_hand == "wake Ada"
    assert [step.only_looks for step in section.steps] == [True, True, False]


def test_lines_must_be_there_in_their_order() -> None:
    output = "NAME   COUNT\nb  3\nab-1   12\n"
    assert page.unseen(["NAME COUNT", "a ... 12"], output) is None
    assert page.unseen(["a ... 12", "NAME COUNT"], output) == "NAME COUNT"
    assert page.unseen(["a ... 1"], output) == "a ... 1"
    assert page.unseen(["ab-... 12", "b ... 3"], output) == "b ... 3"


def test_dots_stand_for_any_text_or_none() -> None:
    assert page.unseen(["x ... y"], "x y") is None
    assert page.unseen(["x ... y"], "x 1 2 y") is None
    assert page.unseen(["x (y)*"], "x y") == "x (y)*"
