"""Imports the app that `--app MODULE:ATTR` names, in a worker and in a suspect's child process."""

import importlib
from typing import Any

from retraced.errors import ConfigError
from retraced.registry import Registry


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
        raise ConfigError(f"--app {target}: its import failed: {error}") from error
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"--app {target}: its import failed: {type(error).__name__}: {error}"
        ) from error


def _attribute(found: Any, path: str, target: str) -> Any:
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise ConfigError(f"--app {target}: {error}") from error
    return found
