"""A handler's signature against a job's body: what the handler is called with.

The worker makes one Binder a handler at its start and asks it once a job.
"""

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from retraced.errors import ConfigError, InvalidEntry
from retraced.handlers.annotations import Unsupported, converter_for, takes_whole_body
from retraced.handlers.conversion import Anything, Converter, Unfillable
from retraced.handlers.mismatch import check_names, inside, mismatch
from retraced.job import Job

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

_BODY = "payload"
_JOB = "job"
_NO_KEYWORDS: dict[str, Any] = {}
_ANYTHING = Anything()


class Binder:
    """What one function takes, resolved once.

    A parameter annotated `Job`, or named `job`, gets the job; one annotated with a dataclass, a
    pydantic or a msgspec model gets the whole body; the others get the fields of the body's JSON
    object by name, and `**extra` the rest. Raises ConfigError for a function that no job can call.
    """

    __slots__ = ("_job_alone", "_signature", "needs_body")

    def __init__(self, function: Callable[..., Any], *, name: str = "") -> None:
        self._signature = read_signature(function, name or getattr(function, "__name__", "handler"))
        self.needs_body = self._signature.needs_body
        self._job_alone = not self.needs_body and self._signature.job_first

    def bind(self, job: Job) -> Arguments:
        """The positional and the keyword arguments for one job.

        The values of a bare entry are strings and are converted by the annotations; of a payload
        only what JSON has no type for. Raises InvalidEntry naming the parameter.
        """
        if self._job_alone:
            return (job,), _NO_KEYWORDS
        signature = self._signature
        values: dict[str, Any] = {}
        if self.needs_body:
            values = signature.values(_decoded(job.body), bare=job.bare)
        if signature.job is not None:
            values[signature.job] = job
        return signature.placed(values)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function asks for: names of parameters and the converters of their values."""

    owner: str
    job: str | None
    job_first: bool
    whole: str | None
    converters: dict[str, Converter]
    required: frozenset[str]
    extra: Converter | None
    positional: tuple[str, ...]

    @property
    def needs_body(self) -> bool:
        """Whether more than the job is asked for (or nothing: then any field is surplus)."""
        return self.job is None or bool(self.converters) or self.extra is not None

    def values(self, content: Any, *, bare: bool) -> dict[str, Any]:
        """Parameter name to value, of the decoded body. Raises InvalidEntry."""
        if self.whole is not None:
            return {self.whole: self.converters[self.whole].convert(content, _BODY, bare=bare)}
        if not isinstance(content, dict):
            names = ", ".join(self.converters) or "no fields"
            raise mismatch(_BODY, f"an object with {names}", content)
        self._check(content)
        default = self.extra or _ANYTHING
        return {
            name: self.converters.get(name, default).convert(value, inside(_BODY, name), bare=bare)
            for name, value in content.items()
        }

    def placed(self, values: dict[str, Any]) -> Arguments:
        """Values of positional-only parameters taken out to the front."""
        if not self.positional:
            return (), values
        first: list[Any] = []
        for name in self.positional:
            if name not in values:
                break
            first.append(values.pop(name))
        return tuple(first), values

    def _check(self, content: dict[str, Any]) -> None:
        check_names(
            content,
            _BODY,
            known=self.converters,
            required=self.required,
            owner=self.owner,
            open_ended=self.extra is not None,
        )
        if self.job is not None and self.job in content:
            raise InvalidEntry(f"{_BODY}.{self.job}", f"{self.owner} takes the job by this name")


def read_signature(function: Callable[..., Any], owner: str) -> Signature:
    """Read a function's parameters. Raises ConfigError naming the one that can't be filled."""
    reading = _Reading(owner)
    hints = _hints(function, owner)
    for parameter in _parameters(function, owner):
        reading.take(parameter, hints.get(parameter.name, Any))
    return reading.result()


@dataclass(slots=True)
class _Reading:
    """A signature in the making."""

    owner: str
    job: str | None = None
    job_first: bool = False
    whole: str | None = None
    extra: Converter | None = None
    converters: dict[str, Converter] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    positional: list[str] = field(default_factory=list)

    def take(self, parameter: inspect.Parameter, annotation: Any) -> None:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return
        if parameter.kind is parameter.VAR_KEYWORD:
            self.extra = self._converter(parameter, annotation)
            return
        if parameter.kind is parameter.POSITIONAL_ONLY:
            self.positional.append(parameter.name)
        if _is_job(parameter, annotation, self.owner):
            self._take_job(parameter)
        else:
            self._take_value(parameter, annotation)

    def result(self) -> Signature:
        others = [name for name in self.converters if name != self.whole]
        if self.whole is not None and (others or self.extra is not None):
            name = others[0] if others else "**"
            raise ConfigError(
                f"handler {self.owner!r}: parameter {self.whole!r} takes the whole body, so "
                f"nothing is left for {name!r}; make it a field of the model, or take the fields "
                "one by one"
            )
        return Signature(
            owner=self.owner,
            job=self.job,
            job_first=self.job_first,
            whole=self.whole,
            converters=self.converters,
            required=frozenset(self.required),
            extra=self.extra,
            positional=tuple(self.positional),
        )

    def _take_job(self, parameter: inspect.Parameter) -> None:
        if self.job is not None:
            raise ConfigError(
                f"handler {self.owner!r}: {self.job!r} and {parameter.name!r} both ask for the job"
            )
        self.job = parameter.name
        self.job_first = not self.converters and parameter.kind is not parameter.KEYWORD_ONLY

    def _take_value(self, parameter: inspect.Parameter, annotation: Any) -> None:
        if takes_whole_body(annotation) and self.whole is None:
            self.whole = parameter.name
        self.converters[parameter.name] = self._converter(parameter, annotation)
        if parameter.default is parameter.empty:
            self.required.add(parameter.name)

    def _converter(self, parameter: inspect.Parameter, annotation: Any) -> Converter:
        try:
            return converter_for(annotation)
        except Unsupported as error:
            if parameter.default is not parameter.empty:
                return Unfillable(parameter.name)
            raise ConfigError(
                f"handler {self.owner!r}: parameter {parameter.name!r}: {error}; annotate it with "
                "what the payload holds, or give it a default"
            ) from error


def _is_job(parameter: inspect.Parameter, annotation: Any, owner: str) -> bool:
    if annotation is Job or (inspect.isclass(annotation) and issubclass(annotation, Job)):
        return True
    if parameter.name != _JOB:
        return False
    if annotation in (Any, object):
        return True
    raise ConfigError(
        f"handler {owner!r}: parameter 'job' gets the Job, but is annotated {annotation!r}; "
        "rename it, or annotate it with retraced.Job"
    )


def _parameters(function: Callable[..., Any], owner: str) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"handler {owner!r}: {function!r} has no signature to read; wrap it in a def"
        ) from error


def _hints(function: Callable[..., Any], owner: str) -> dict[str, Any]:
    """Resolved annotations by parameter; the return annotation doesn't matter."""
    source = inspect.unwrap(_plain_function(function))
    scope = getattr(source, "__globals__", {})
    hints = {}
    for name, annotation in getattr(source, "__annotations__", {}).items():
        if name != "return":
            hints[name] = _resolved(annotation, scope, f"handler {owner!r}: parameter {name!r}")
    return hints


def _plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Through partials, bound methods and callable objects to what holds the annotations."""
    while hasattr(function, "func"):
        function = function.func
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = function.__call__  # type: ignore[operator]
    return getattr(function, "__func__", function)


def _resolved(annotation: Any, scope: dict[str, Any], what: str) -> Any:
    try:
        holder: Any = type("_", (), {"__annotations__": {"it": annotation}})
        return typing.get_type_hints(holder, scope, include_extras=True)["it"]
    except NameError as error:
        if isinstance(annotation, str) and annotation.rpartition(".")[2] == "Job":
            return Job  # imported for type checkers only
        raise ConfigError(
            f"{what}: can't resolve its annotation {annotation!r}: {error}; import the name at "
            "run time and at the module's level"
        ) from error
    except (TypeError, SyntaxError, AttributeError) as error:
        raise ConfigError(f"{what}: can't read its annotation {annotation!r}: {error}") from error


def _decoded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        why = f"isn't JSON: {error}" if body else "is empty, not a JSON object"
        raise InvalidEntry(_BODY, why) from None
