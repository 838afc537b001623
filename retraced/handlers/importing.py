"""Imports the app that `--app MODULE:ATTR` names, in a worker and in a suspect's child process."""

import importlib
import traceback
from typing import Any

from retraced.errors import ConfigError
from retraced.registry import Registry

_IMPORTING = frozenset({__file__, importlib.__file__})


def import_registry(target: str) -> Registry:
    """The registry of an app (`shop.jobs:app`), or a registry that stands there by itself.

    The module runs, so it must be the operator's choice, never the job's. Raises ConfigError,
    with what the import raised as its cause.
    """
    module_name, colon, path = target.partition(":")
    if not (module_name and colon and path):
        raise ConfigError(f"--app {target!r}: write it as MODULE:ATTRIBUTE, such as shop.jobs:app")
    found = _attribute(_module(module_name, target), path, target)
    registry = found if isinstance(found, Registry) else getattr(found, "registry", None)
    if not isinstance(registry, Registry):
        raise ConfigError(f"--app {target}: that is a {type(found).__name__}, not an App")
    return registry


def _module(name: str, target: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"--app {target}: there is no module {error.name!r}; run from the directory that "
                "holds it, or install it"
            ) from error
        raise ConfigError(f"--app {target}: its import failed: {error}{_place(error)}") from error
    except (Exception, SystemExit) as error:
        text = error.msg if isinstance(error, SyntaxError) else error
        raise ConfigError(
            f"--app {target}: its import failed: {type(error).__name__}: {text}{_place(error)}"
        ) from error


def _place(error: BaseException) -> str:
    """` (jobs.py, line 3)`: the last line outside of Python's own import that was reached."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f" ({error.filename}, line {error.lineno})"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in _IMPORTING and not frame.filename.startswith("<frozen importlib")
    ]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def _attribute(found: Any, path: str, target: str) -> Any:
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise ConfigError(f"--app {target}: {error}") from error
    return found
