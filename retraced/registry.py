"""Which handler works which type of job, and with which options.

An `App` fills a registry while the user's module is imported; the worker looks types up in it.
"""

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from retraced.backoff import Backoff
from retraced.durations import duration_ms
from retraced.errors import ConfigError, InvalidEntry

ANY_TYPE = "*"
MOST_ATTEMPTS = 1000

HandlerFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class HandlerOptions:
    """What a handler says about its jobs; None leaves it to the group, the worker, the default."""

    stream: str | None = None
    max_attempts: int | None = None
    backoff: Backoff | None = None
    timeout_ms: int | None = None

    @classmethod
    def of(
        cls,
        name: str,
        *,
        stream: str | None = None,
        max_attempts: int | None = None,
        backoff: str | None = None,
        timeout: timedelta | str | None = None,
    ) -> "HandlerOptions":
        """Check the options of the handler `name` as a user writes them.

        Raises ConfigError naming handler and option, TypeError for a duration without a unit.
        """
        return cls(
            stream=_stream(name, stream),
            max_attempts=_attempts(name, max_attempts),
            backoff=_backoff(name, backoff),
            timeout_ms=_timeout(name, timeout),
        )


@dataclass(frozen=True, slots=True)
class Handler:
    """One registered function and the type of job that it works."""

    type: str
    function: HandlerFunction
    options: HandlerOptions = field(default_factory=HandlerOptions)
    is_async: bool = False


class Registry:
    """The handlers of one app, by type; `"*"` takes every type that has none of its own."""

    __slots__ = ("_any", "_handlers")

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._any: Handler | None = None

    def add(
        self,
        type: str | None,  # noqa: A002 - the word of the wire protocol
        function: HandlerFunction,
        options: HandlerOptions | None = None,
    ) -> Handler:
        """Register a function for a type (None: the function's name).

        Raises ConfigError when the type is taken or the function can't be a handler.
        """
        name = _type_of(type, function)
        _check_function(name, function)
        self._check_free(name)
        handler = Handler(name, function, options or HandlerOptions(), is_coroutine(function))
        self._handlers[name] = handler
        if name == ANY_TYPE:
            self._any = handler
        return handler

    def get(self, type: str) -> Handler | None:  # noqa: A002 - the word of the wire protocol
        """The handler of a type, else the one of `"*"`, else None."""
        return self._handlers.get(type, self._any)

    @property
    def types(self) -> tuple[str, ...]:
        """All registered types in order of registration, `"*"` included."""
        return tuple(self._handlers)

    @property
    def handlers(self) -> tuple[Handler, ...]:
        """All handlers in order of registration."""
        return tuple(self._handlers.values())

    def covers(
        self, stream: str, *, types: Collection[str] = (), only_by_name: bool = False
    ) -> bool:
        """Whether any handler may be meant for the jobs of this stream.

        One that names another stream in its options isn't, unless its type is the stream's name.
        `types`: only these are worked; `only_by_name`: every job's type is the stream's name.
        """
        for handler in self._handlers.values():
            if types and handler.type != ANY_TYPE and handler.type not in types:
                continue
            if handler.type in (ANY_TYPE, stream):
                return True
            if not only_by_name and handler.options.stream in (None, stream):
                return True
        return False

    def described(self) -> list[str]:
        """The types, each with the stream that its handler names: `send (emails)`."""
        return [
            f"{each.type} ({each.options.stream})" if each.options.stream else each.type
            for each in self._handlers.values()
        ]

    @property
    def has_any(self) -> bool:
        """Whether `"*"` is registered, so that no type is unhandled."""
        return self._any is not None

    def _check_free(self, name: str) -> None:
        taken = self._handlers.get(name)
        if taken is not None:
            raise ConfigError(
                f"handler {name!r} is registered twice, by {_where(taken.function)}; "
                "give one of them another type, or remove it"
            )


def is_coroutine(function: HandlerFunction) -> bool:
    """Whether calling it gives a coroutine: `async def`, partials and async `__call__` too."""
    if inspect.iscoroutinefunction(function):
        return True
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - the method itself is asked for
    )


def _type_of(asked: str | None, function: HandlerFunction) -> str:
    if callable(asked):
        raise ConfigError(
            f"{_where(asked)}: write @app.handler() with parentheses, or @app.handler('its type')"
        )
    name = asked if asked is not None else getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise ConfigError(f"{function!r} has no name; register it with a type: handler('its type')")
    if not name or not name.isprintable():
        raise ConfigError(f"handler type {name!r}: a type is a non-empty, printable string")
    return name


def _check_function(name: str, function: HandlerFunction) -> None:
    if not callable(function):
        raise ConfigError(f"handler {name!r}: {function!r} can't be called")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(
            f"handler {name!r} ({_where(function)}) is a generator, so calling it runs nothing; "
            "remove the yield"
        )


def _where(function: HandlerFunction) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    name = getattr(function, "__qualname__", repr(function))
    return name if code is None else f"{name} in {code.co_filename}:{code.co_firstlineno}"


def _stream(name: str, stream: str | None) -> str | None:
    if stream == "":
        raise ConfigError(f"handler {name!r}: stream is empty; name one, or leave it out")
    return stream


def _attempts(name: str, attempts: int | None) -> int | None:
    if attempts is None:
        return None
    if isinstance(attempts, bool) or not isinstance(attempts, int):
        raise ConfigError(f"handler {name!r}: max_attempts must be a number, not {attempts!r}")
    if not 1 <= attempts <= MOST_ATTEMPTS:
        raise ConfigError(
            f"handler {name!r}: max_attempts must be 1 to {MOST_ATTEMPTS}, not {attempts}"
        )
    return attempts


def _backoff(name: str, spec: str | None) -> Backoff | None:
    if spec is None:
        return None
    if not isinstance(spec, str):
        raise ConfigError(
            f"handler {name!r}: backoff must be a text such as 'exponential:1s..5m', not {spec!r}"
        )
    try:
        return Backoff.parse(spec, field="backoff")
    except InvalidEntry as error:
        raise ConfigError(f"handler {name!r}: backoff {spec!r}: {error.why}") from error


def _timeout(name: str, timeout: timedelta | str | None) -> int | None:
    if timeout is None:
        return None
    try:
        milliseconds = duration_ms(timeout, name=f"timeout of handler {name!r}")
    except (ValueError, InvalidEntry) as error:
        raise ConfigError(f"handler {name!r}: timeout: {error}") from error
    if milliseconds <= 0:
        raise ConfigError(f"handler {name!r}: timeout must be longer than nothing")
    return milliseconds
