"""What a handler is called with, and what is refused before it is called."""

from __future__ import annotations

import enum
import functools
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import orjson
import pytest

from retraced.entry import decode
from retraced.errors import ConfigError, InvalidEntry
from retraced.handlers.arguments import Binder
from retraced.job import Job

UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Line:
    sku: str
    amount: int = 1


@dataclass
class Order:
    id: UUID
    lines: list[Line]
    note: str | None = None


@dataclass
class Node:
    name: str
    children: list[Node] = field(default_factory=list)


@dataclass
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("number is negative")


def job_of(body: object = None, /, **fields: str) -> Job:
    """A job with a JSON payload (bytes as they are), or a bare one of these fields."""
    if body is None:
        flat = [part.encode() for pair in fields.items() for part in pair]
    else:
        flat = [b"payload", body if isinstance(body, bytes) else orjson.dumps(body)]
    entry = decode(b"1732435200000-0", flat, stream="shop", max_payload=1 << 20)
    return Job(entry, attempt=1, fence=1, stream="shop", group="g", max_attempts=5)


def called(function: Callable[..., Any], job: Job) -> Any:
    positional, keywords = Binder(function).bind(job)
    return function(*positional, **keywords)


def refusal(function: Callable[..., Any], job: Job) -> str:
    with pytest.raises(InvalidEntry) as caught:
        Binder(function).bind(job)
    return str(caught.value)


def test_a_handler_that_takes_the_job_alone_needs_no_json() -> None:
    def handler(job: Job) -> Job:
        return job

    job = job_of(b"\xff not JSON")
    assert called(handler, job) is job


def test_a_parameter_annotated_job_gets_the_job_by_any_name() -> None:
    def handler(to: str, *, this: Job) -> tuple[str, Job]:
        return to, this

    job = job_of({"to": "ada"})
    assert called(handler, job) == ("ada", job)


def test_a_parameter_named_job_needs_no_annotation() -> None:
    def handler(job, to):  # type: ignore[no-untyped-def]
        return job, to

    job = job_of({"to": [1]})
    assert called(handler, job) == (job, [1])


def test_fields_go_to_parameters_by_name_and_defaults_stay() -> None:
    def handler(job: Job, to: str, subject: str = "none", /, *, copies: int = 1) -> Any:
        return to, subject, copies

    assert called(handler, job_of({"copies": 2, "to": "ada"})) == ("ada", "none", 2)


def test_a_handler_without_parameters_takes_an_empty_body_only() -> None:
    def tick() -> str:
        return "ticked"

    assert called(tick, job_of({})) == "ticked"
    assert refusal(tick, job_of({"a": 1})) == "payload.a: not known to tick, which takes nothing"


def test_extra_takes_the_surplus() -> None:
    def handler(job: Job, to: str, **rest: Any) -> Any:
        return to, rest

    assert called(handler, job_of({"to": "ada", "x": 1})) == ("ada", {"x": 1})


def test_annotated_extra_checks_the_surplus() -> None:
    def handler(**counts: int) -> Any:
        return counts

    assert called(handler, job_of({"a": 1})) == {"a": 1}
    assert refusal(handler, job_of({"a": "x"})) == 'payload.a: expected int, found "x" (str)'


def test_a_surplus_field_cannot_take_the_jobs_place() -> None:
    def handler(job: Job, **rest: Any) -> None: ...

    assert refusal(handler, job_of({"job": 1})).startswith("payload.job: ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "payload.user_id: missing, handler needs it"),
        ({"userid": 1}, "payload.user_id: missing, handler needs it; payload.userid is given"),
        ({"user_id": 1, "x": 2}, "payload.x: not known to handler, which takes user_id"),
        ({"user_id": "abc"}, 'payload.user_id: expected int, found "abc" (str)'),
        ({"user_id": True}, "payload.user_id: expected int, found True (bool)"),
        ({"user_id": 1.5}, "payload.user_id: expected int, found 1.5 (float)"),
        ({"user_id": None}, "payload.user_id: expected int, found null"),
        ([1, 2], "payload: expected an object with user_id, found list of 2"),
        (b"{", "payload: isn't JSON"),
        (b"", "payload: is empty, not a JSON object"),
        (b'{"user_id": NaN}', "payload: isn't JSON"),
    ],
)
def test_a_mismatch_is_named(body: object, text: str) -> None:
    def handler(user_id: int) -> None: ...

    assert refusal(handler, job_of(body)).startswith(text)


def test_messages_stay_short_and_on_one_line_whatever_was_sent() -> None:
    def handler(n: int) -> None: ...

    assert len(refusal(handler, job_of({"n": "a\nb" * 10_000}))) < 200
    surplus = refusal(handler, job_of({"n": 1, "k\n" * 10_000: 1}))
    assert len(surplus) < 300
    assert "\n" not in surplus


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (float, 3, 3.0),
        (float, 2.5, 2.5),
        (bool, True, True),
        (str, "x", "x"),
        (Any, {"a": 1}, {"a": 1}),
        (object, None, None),
        (int | None, None, None),
        (int | str, "5", "5"),
        (float | int, 5, 5),
        (UserId, 7, 7),
        (Annotated[int, "mark"], 7, 7),
        (Decimal, "1.10", Decimal("1.10")),
        (Decimal, 3, Decimal(3)),
        (datetime, "2024-11-24T08:00:00Z", datetime(2024, 11, 24, 8, tzinfo=UTC)),
        (date, "2024-11-24", date(2024, 11, 24)),
        (UUID, "12345678123456781234567812345678", UUID(int=0x12345678123456781234567812345678)),
        (Colour, "red", Colour.RED),
        (Level, 2, Level.HIGH),
        (Literal["a", 1], 1, 1),
        (list[int], [1, 2], [1, 2]),
        (Sequence[Decimal], ["1"], [Decimal(1)]),
        (set[str], ["a", "a"], {"a"}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (dict[str, date], {"d": "2024-11-24"}, {"d": date(2024, 11, 24)}),
        (Mapping[int, str], {"1": "a"}, {1: "a"}),
        (list[Line], [{"sku": "x"}], [Line("x")]),
        (dict, {"a": 1}, {"a": 1}),
    ],
)
def test_json_values_become_what_is_annotated(annotation: Any, value: Any, expected: Any) -> None:
    found = called(_taking(annotation), job_of({"it": value}))
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (str, 5, "payload.it: expected str, found 5 (int)"),
        (bool, 1, "payload.it: expected bool, found 1 (int)"),
        (bool, "true", 'payload.it: expected bool, found "true" (str)'),
        (float, "1.5", 'payload.it: expected float, found "1.5" (str)'),
        (int | None, "x", 'payload.it: expected int or null, found "x" (str)'),
        (Decimal, "NaN", 'payload.it: expected Decimal, found "NaN" (str)'),
        (datetime, 5, "payload.it: expected datetime (ISO 8601), found 5 (int)"),
        (UUID, "x", 'payload.it: expected UUID, found "x" (str)'),
        (Colour, "green", 'payload.it: expected one of red, blue, found "green" (str)'),
        (Level, "2", 'payload.it: expected one of 1, 2, found "2" (str)'),
        (list[int], [1, "a"], 'payload.it[1]: expected int, found "a" (str)'),
        (set[Any], [[]], "payload.it: can't be a list"),
        (tuple[int, int], [1], "payload.it: expected list of 2, found list of 1"),
        (dict[str, int], {"a": "b"}, 'payload.it.a: expected int, found "b" (str)'),
        (list[Line], [{"sku": 1}], "payload.it[0].sku: expected str, found 1 (int)"),
        (Line | None, {"sku": 1}, "payload.sku: expected str"),
    ],
)
def test_json_values_of_the_wrong_kind_are_named(annotation: Any, value: Any, text: str) -> None:
    body = value if annotation == Line | None else {"it": value}
    assert refusal(_taking(annotation), job_of(body)).startswith(text)


@pytest.mark.parametrize(
    ("annotation", "text", "expected"),
    [
        (int, "-12", -12),
        (float, "1e3", 1000.0),
        (bool, "yes", True),
        (bool, "FALSE", False),
        (Decimal, "0.10", Decimal("0.10")),
        (datetime, "2024-11-24T08:00:00+00:00", datetime(2024, 11, 24, 8, tzinfo=UTC)),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678123456781234567812345678")),
        (Level, "2", Level.HIGH),
        (int | None, "5", 5),
        (int | None, "", None),
        (str | None, "", ""),
        (str, "5", "5"),
    ],
)
def test_the_strings_of_a_bare_entry_are_converted(
    annotation: Any, text: str, expected: Any
) -> None:
    assert called(_taking(annotation), job_of(it=text)) == expected


@pytest.mark.parametrize(
    ("annotation", "text"),
    [(int, "1_000"), (int, " 1"), (int, "\u0661"), (float, "nan"), (float, "inf"), (bool, "maybe")],
)
def test_strings_of_a_bare_entry_that_are_no_such_value_are_refused(
    annotation: Any, text: str
) -> None:
    assert refusal(_taking(annotation), job_of(it=text)).startswith("payload.it: expected")


def test_a_dataclass_takes_the_whole_body() -> None:
    def handler(job: Job, order: Order) -> Order:
        return order

    body = {"id": str(UUID(int=5)), "lines": [{"sku": "a"}, {"sku": "b", "amount": 2}]}
    assert called(handler, job_of(body)) == Order(UUID(int=5), [Line("a"), Line("b", 2)])


def test_a_dataclass_takes_a_bare_entry_as_well() -> None:
    assert called(_taking(Line), job_of(sku="a", amount="3")) == Line("a", 3)


def test_a_dataclass_may_contain_itself() -> None:
    body = {"name": "a", "children": [{"name": "b"}]}
    assert called(_taking(Node), job_of(body)) == Node("a", [Node("b")])


@pytest.mark.parametrize(
    ("annotation", "body", "text"),
    [
        (Line, {}, "payload.sku: missing, Line needs it"),
        (Line, {"sku": "a", "x": 1}, "payload.x: not known to Line, which takes sku, amount"),
        (Line, [], "payload: expected an object for Line, found list of 0"),
        (Positive, {"number": -1}, "payload: Positive refuses it: number is negative"),
    ],
)
def test_a_body_that_is_no_such_dataclass_is_named(annotation: Any, body: Any, text: str) -> None:
    assert refusal(_taking(annotation), job_of(body)) == text


def test_a_dataclass_leaves_nothing_for_other_parameters() -> None:
    def handler(order: Order, dry_run: bool = False) -> None: ...

    with pytest.raises(ConfigError, match=r"'order' takes the whole body.*'dry_run'"):
        Binder(handler)


def test_an_annotation_that_json_cannot_fill_is_refused_at_once() -> None:
    def handler(raw: bytes) -> None: ...

    with pytest.raises(ConfigError, match=r"handler 'handler': parameter 'raw': bytes isn't"):
        Binder(handler)


def test_a_parameter_that_json_cannot_fill_may_keep_its_default() -> None:
    clock = Binder

    def handler(to: str, clock: type[Binder] = clock) -> Any:
        return clock

    assert called(handler, job_of({"to": "ada"})) is Binder
    assert refusal(handler, job_of({"to": "ada", "clock": 1})).startswith("payload.clock: ")


def test_an_annotation_that_does_not_resolve_is_refused_at_once() -> None:
    def handler(it: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match=r"parameter 'it'.*'Missing'.*import the name"):
        Binder(handler)


def test_a_job_parameter_with_another_annotation_is_refused() -> None:
    def handler(job: str) -> None: ...

    with pytest.raises(ConfigError, match="parameter 'job' gets the Job"):
        Binder(handler)


def test_two_parameters_that_ask_for_the_job_are_refused() -> None:
    def handler(job: Job, other: Job) -> None: ...

    with pytest.raises(ConfigError, match="both ask for the job"):
        Binder(handler)


def test_methods_partials_wrapped_functions_and_callable_objects_are_read() -> None:
    class Mailer:
        def send(self, to: str, copies: int) -> Any:
            return to, copies

        __call__ = send

    def handler(prefix: str, to: str, copies: int) -> Any:
        return to, copies

    @functools.wraps(Mailer().send)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return Mailer().send(*args, **kwargs)

    job = job_of(to="ada", copies="2")
    for function in (Mailer().send, Mailer(), functools.partial(handler, "x"), wrapped):
        assert called(function, job) == ("ada", 2)


def test_binding_a_handler_of_the_job_alone_costs_next_to_nothing() -> None:
    def handler(job: Job) -> None: ...

    bind, job = Binder(handler).bind, job_of({})
    best_s = min(timeit.repeat(lambda: bind(job), number=20_000, repeat=5)) / 20_000
    assert best_s < 1e-6  # a guard against parsing the body; measured at 0.1 microseconds


def test_a_pydantic_model_takes_the_whole_body() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Mail", to=(str, ...), copies=(int, 1))
    assert called(_taking(model), job_of({"to": "ada"})).copies == 1
    assert called(_taking(model), job_of(to="ada", copies="2")).copies == 2
    assert refusal(_taking(model), job_of({"to": 5})).startswith("payload.to: ")


def test_a_msgspec_struct_takes_the_whole_body() -> None:
    msgspec = pytest.importorskip("msgspec")
    struct = msgspec.defstruct("Mail", [("to", str), ("copies", int, 1)])
    assert called(_taking(struct), job_of({"to": "ada"})).copies == 1
    assert called(_taking(struct), job_of(to="ada", copies="2")).copies == 2
    assert refusal(_taking(struct), job_of({"to": 5})) == "payload.to: Expected `str`, got `int`"


def _taking(annotation: Any) -> Callable[..., Any]:
    def handler(it: Any) -> Any:
        return it

    handler.__annotations__ = {"it": annotation}
    return handler
