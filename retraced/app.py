"""`App`: where a program keeps its handlers, and from where it adds jobs for them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from datetime import timedelta
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, Unpack, overload

from retraced.client import AsyncClient, JobOptions
from retraced.errors import ConfigError, UsageError
from retraced.job import Job
from retraced.registry import Handler, HandlerOptions, Registry

A = ParamSpec("A")
P = ParamSpec("P")
R = TypeVar("R")


class App:
    """Handlers by type, and a client. `retraced consume --app MODULE:ATTR` finds it.

    Without a URL the client takes RETRACED_URL, REDIS_URL, the configuration file's, else the
    Redis on 127.0.0.1:6379; a worker speaks to the server that its command line names.
    """

    def __init__(self, url: str | None = None) -> None:
        self._url = url
        self._client: AsyncClient | None = None
        self.registry = Registry()

    @property
    def client(self) -> AsyncClient:
        """The app's client, made at its first use."""
        if self._client is None:
            self._client = AsyncClient(self._url)
        return self._client

    def handler(
        self,
        type: str | None = None,  # noqa: A002 - the word of the wire protocol
        *,
        stream: str | None = None,
        max_attempts: int | None = None,
        backoff: str | None = None,
        timeout: timedelta | str | None = None,
    ) -> Registration:
        """Decorates the function that works jobs of a type (default: the function's name).

        `"*"` takes every type that has no handler of its own. `stream` is where `.add` adds.
        Raises ConfigError naming the option that can't be used.
        """
        options = HandlerOptions.of(
            type or "of the function's name",
            stream=stream,
            max_attempts=max_attempts,
            backoff=backoff,
            timeout=timeout,
        )
        return Registration(self, type, options)


class Registration:
    """The decorator that `App.handler` gives."""

    __slots__ = ("_app", "_options", "_type")

    def __init__(self, app: App, type: str | None, options: HandlerOptions) -> None:  # noqa: A002
        self._app = app
        self._type = type
        self._options = options

    @overload
    def __call__(
        self, function: Callable[Concatenate[Job, P], R]
    ) -> HandlerFunction[Concatenate[Job, P], P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R]) -> HandlerFunction[P, P, R]: ...

    def __call__(self, function: Callable[..., R]) -> HandlerFunction[..., ..., R]:
        handler = self._app.registry.add(self._type, function, self._options)
        return HandlerFunction(self._app, handler, function)


class HandlerFunction(Generic[A, P, R]):
    """A registered function: called it runs at once, in place; `.add` adds a job for it.

    `A` are its own parameters, `P` those without the job.
    """

    def __init__(self, app: App, handler: Handler, function: Callable[A, R]) -> None:
        self._app = app
        self._function = function
        self.handler = handler
        update_wrapper(self, function)

    def __call__(self, *args: A.args, **kwargs: A.kwargs) -> R:
        return self._function(*args, **kwargs)

    async def add(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Adds a job with these arguments to the handler's stream and gives its id.

        Raises UsageError for arguments that don't fit, and all that `AsyncClient.add` raises.
        """
        return await self.options().add(*args, **kwargs)

    def options(self, *, stream: str | None = None, **options: Unpack[JobOptions]) -> Adding[P]:
        """The same with options: `await send_email.options(delay="10m").add(to=...)`."""
        return Adding(self._app, self.handler, stream or self.handler.options.stream, options)


class Adding(Generic[P]):
    """A handler, a stream and options, ready to add jobs."""

    __slots__ = ("_app", "_handler", "_options", "_stream")

    def __init__(self, app: App, handler: Handler, stream: str | None, options: JobOptions) -> None:
        self._app = app
        self._handler = handler
        self._stream = stream
        self._options = options

    async def add(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Adds a job with these arguments and gives its id."""
        handler = self._handler
        if self._stream is None:
            raise ConfigError(
                f"handler {handler.type!r} has no stream, so a job for it can't be added: write "
                f"handler({handler.type!r}, stream=...), or .options(stream=...).add(...)"
            )
        if handler.type == "*":
            raise ConfigError('a handler of "*" has no type of its own: use app.client.add')
        payload = body_of(handler, args, kwargs)
        return await self._app.client.add(self._stream, handler.type, payload, **self._options)


def body_of(handler: Handler, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    """The payload that calls a handler with these arguments. Raises UsageError.

    An object of the arguments by name; the value itself for a parameter annotated with a
    dataclass or a model, which takes the whole body.
    """
    signature = _without_job(handler)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise UsageError(f"handler {handler.type!r}: {error}") from None
    values: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            values.update(value)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            raise UsageError(f"handler {handler.type!r}: *{name} can't be filled from a job")
        elif _is_model(parameter.annotation):
            return value
        else:
            values[name] = value
    return values


def _without_job(handler: Handler) -> inspect.Signature:
    """The function's signature with its annotations resolved, less the parameter for the job."""
    signature = inspect.signature(handler.function)
    hints = _hints(handler.function)
    parameters = [
        parameter.replace(annotation=hints.get(parameter.name, parameter.annotation))
        for parameter in signature.parameters.values()
    ]
    return signature.replace(
        parameters=[each for each in parameters if not _takes_job(each)],
        return_annotation=inspect.Signature.empty,
    )


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):  # the worker says what can't be resolved
        return {}


def _takes_job(parameter: inspect.Parameter) -> bool:
    return parameter.name == "job" or parameter.annotation in (Job, "Job")


def _is_model(annotation: object) -> bool:
    """A dataclass, a pydantic or a msgspec model, or one of them or None."""
    kinds = [annotation, *typing.get_args(annotation)]
    return any(
        isinstance(kind, type)
        and any(
            hasattr(kind, mark)
            for mark in ("__dataclass_fields__", "model_validate", "__struct_fields__")
        )
        for kind in kinds
    )
