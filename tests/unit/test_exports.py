"""What `import retraced` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import retraced


def test_the_exports_are_sorted_and_all_there() -> None:
    assert retraced.__all__ == sorted(retraced.__all__)
    for name in retraced.__all__:
        assert getattr(retraced, name) is not None
    assert dir(retraced) == retraced.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Appp'"):
        getattr(retraced, "Appp")  # noqa: B009 - type checkers know that it isn't there


def test_the_import_alone_loads_neither_redis_nor_asyncio_nor_click() -> None:
    program = "import retraced, sys; print({'redis', 'asyncio', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"set()\n"
