"""Background jobs on Redis Streams: any XADD is a job, and every job has a story."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retraced.app import App
    from retraced.client import AsyncClient, Client
    from retraced.errors import (
        ConfigError,
        Denied,
        InvalidEntry,
        InvalidName,
        NotFound,
        ProtocolMismatch,
        Refused,
        Reject,
        RetracedError,
        Retry,
        Snooze,
        StoreError,
        Unavailable,
        UsageError,
    )
    from retraced.job import Job

__version__ = "0.1.0"

__all__ = [
    "App",
    "AsyncClient",
    "Client",
    "ConfigError",
    "Denied",
    "InvalidEntry",
    "InvalidName",
    "Job",
    "NotFound",
    "ProtocolMismatch",
    "Refused",
    "Reject",
    "RetracedError",
    "Retry",
    "Snooze",
    "StoreError",
    "Unavailable",
    "UsageError",
    "__version__",
]

_HOMES = {"App": "app", "AsyncClient": "client", "Client": "client", "Job": "job"}

if not TYPE_CHECKING:  # type checkers take the imports above, and report what isn't there

    def __getattr__(name: str) -> object:
        """Import an exported name at its first use, so that `import retraced` costs nothing."""
        if name not in __all__:
            raise AttributeError(f"module 'retraced' has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415

        value = getattr(import_module(f"retraced.{_HOMES.get(name, 'errors')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
