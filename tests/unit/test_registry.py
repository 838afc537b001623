"""Registering handlers: names, options, refusals."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from retraced.errors import ConfigError
from retraced.registry import HandlerOptions, Registry, is_coroutine


def work(job: object) -> None:
    """A plain handler."""


async def work_async(job: object) -> None:
    """An async handler."""


def test_the_type_is_the_functions_name_unless_said() -> None:
    registry = Registry()
    assert registry.add(None, work).type == "work"
    assert registry.add("other", work).type == "other"
    assert registry.types == ("work", "other")


def test_an_unknown_type_has_no_handler() -> None:
    registry = Registry()
    registry.add("known", work)
    assert registry.get("unknown") is None
    assert not registry.has_any


def test_the_star_takes_what_no_other_handler_takes() -> None:
    registry = Registry()
    rest = registry.add("*", work)
    known = registry.add("known", work_async)
    assert registry.get("unknown") is rest
    assert registry.get("known") is known
    assert registry.has_any


def test_a_type_registered_twice_is_refused_and_the_first_is_named() -> None:
    registry = Registry()
    first = registry.add("mail", work)
    with pytest.raises(ConfigError, match=r"'mail' is registered twice, by work in .*\.py:\d+"):
        registry.add("mail", work_async)
    assert registry.get("mail") is first


def test_a_function_without_a_name_needs_a_type() -> None:
    with pytest.raises(ConfigError, match="register it with a type"):
        Registry().add(None, functools.partial(work))


@pytest.mark.parametrize("name", ["", "two\nlines"])
def test_an_unreadable_type_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="non-empty, printable"):
        Registry().add(name, work)


def test_a_decorator_without_parentheses_is_explained() -> None:
    function: Any = work
    with pytest.raises(ConfigError, match="with parentheses"):
        Registry().add(function, work)


def test_a_generator_is_refused_because_calling_it_runs_nothing() -> None:
    async def pages() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(ConfigError, match=r"'pages' .* is a generator"):
        Registry().add(None, pages)


def test_async_handlers_are_recognised_in_every_form() -> None:
    class Callable:
        async def __call__(self) -> None: ...

        async def method(self) -> None: ...

    assert is_coroutine(work_async)
    assert is_coroutine(functools.partial(work_async, None))
    assert is_coroutine(Callable())
    assert is_coroutine(Callable().method)
    assert not is_coroutine(work)
    assert not is_coroutine(functools.partial(work, None))


def test_options_are_parsed_once() -> None:
    options = HandlerOptions.of(
        "mail", stream="emails", max_attempts=3, backoff="fixed:1s", timeout=timedelta(seconds=2)
    )
    assert (options.stream, options.max_attempts, options.timeout_ms) == ("emails", 3, 2000)
    assert options.backoff is not None
    assert options.backoff.base_ms == 1000


def test_options_that_are_not_given_are_none() -> None:
    assert HandlerOptions.of("mail") == HandlerOptions(None, None, None, None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_attempts": 0}, "'mail': max_attempts must be 1 to 1000, not 0"),
        ({"max_attempts": 1001}, "'mail': max_attempts must be 1 to 1000, not 1001"),
        ({"max_attempts": True}, "'mail': max_attempts must be a number"),
        ({"max_attempts": "3"}, "'mail': max_attempts must be a number"),
        ({"backoff": "sometimes"}, "'mail': backoff 'sometimes': "),
        ({"backoff": 5}, "'mail': backoff must be a text such as"),
        ({"timeout": "soon"}, "'mail': timeout: "),
        ({"timeout": "0s"}, "'mail': timeout must be longer than nothing"),
        ({"stream": ""}, "'mail': stream is empty"),
    ],
)
def test_a_bad_option_is_refused_naming_handler_and_option(
    options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        HandlerOptions.of("mail", **options)
    assert text in str(refusal.value)


def test_a_bare_number_as_timeout_is_a_type_error_that_names_the_remedy() -> None:
    seconds: Any = 30
    with pytest.raises(TypeError, match=r"timeout of handler 'mail'.*timedelta"):
        HandlerOptions.of("mail", timeout=seconds)


def test_a_stream_is_covered_by_handlers_that_may_be_meant_for_it() -> None:
    registry = Registry()
    registry.add("send", work, HandlerOptions(stream="emails"))
    registry.add("bills", work, HandlerOptions(stream="elsewhere"))
    assert registry.covers("emails")
    assert registry.covers("bills"), "a bare job of that stream has its name for a type"
    assert not registry.covers("orders")
    assert not registry.covers("emails", types=["other"])
    assert not registry.covers("emails", only_by_name=True)
    assert registry.described() == ["send (emails)", "bills (elsewhere)"]
    registry.add("any", work)
    assert registry.covers("orders"), "a handler without a stream may be for any"


def test_a_handler_of_every_type_covers_every_stream() -> None:
    registry = Registry()
    registry.add("*", work, HandlerOptions(stream="emails"))
    assert registry.covers("orders", types=["other"], only_by_name=True)
