"""What is said of an app that can't be imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from retraced.errors import ConfigError
from retraced.handlers.importing import import_registry


@pytest.mark.parametrize(
    ("source", "why", "line"),
    [
        ("\nimport nonesuch\n", "No module named 'nonesuch'", 2),
        ("import importlib\n\nimportlib.import_module('nonesuch')", "No module named", 3),
        ("from json import nonesuch", "ImportError: cannot import name 'nonesuch'", 1),
        ("def boom():\n    1 / 0\n\nboom()", "ZeroDivisionError: division by zero", 2),
        ("x = 1\ny = = 2", "SyntaxError: invalid syntax", 2),
    ],
)
def test_a_failed_import_is_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, why: str, line: int
) -> None:
    (tmp_path / "outer.py").write_text("import inner_of_it\n")
    inner = tmp_path / "inner_of_it.py"
    inner.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError) as failure:
        import_registry("outer:app")
    assert f"--app outer:app: its import failed: {why}" in str(failure.value)
    assert str(failure.value).endswith(f"({inner}, line {line})")
    assert not {"outer", "inner_of_it"} & sys.modules.keys()
