"""Annotations of a handler's parameters into converters, once, before the first job."""

import collections.abc
import dataclasses
import enum
import sys
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from retraced.handlers.conversion import (
    AnyOf,
    Anything,
    Boolean,
    Choice,
    Converter,
    Float,
    Integer,
    Items,
    Model,
    Null,
    Number,
    Parsed,
    Record,
    Row,
    Table,
    Text,
)

_PLAIN: dict[Any, Converter] = {
    Any: Anything(),
    object: Anything(),
    None: Null(),
    type(None): Null(),
    bool: Boolean(),
    int: Integer(),
    float: Float(),
    str: Text(),
    Decimal: Number(),
    datetime: Parsed("datetime (ISO 8601)", datetime.fromisoformat),
    date: Parsed("date (ISO 8601)", date.fromisoformat),
    time: Parsed("time (ISO 8601)", time.fromisoformat),
    UUID: Parsed("UUID", UUID),
    list: Items("list", list, Anything()),
    tuple: Items("list", tuple, Anything()),
    set: Items("list", set, Anything()),
    frozenset: Items("list", frozenset, Anything()),
    dict: Table("object", Text(), Anything()),
}
_ARRAYS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: frozenset,
}
_OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_TYPING_MARKS = (typing.Annotated, typing.Required, typing.NotRequired, typing.Final)


class Unsupported(Exception):
    """No JSON value can become what an annotation asks for."""


def converter_for(annotation: Any) -> Converter:
    """The converter of one resolved annotation. Raises Unsupported."""
    return _Compiler().compile(annotation)


def takes_whole_body(annotation: Any) -> bool:
    """Whether it is a dataclass or a model (or one of them or None)."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        options = [one for one in typing.get_args(annotation) if one is not type(None)]
        return len(options) == 1 and takes_whole_body(options[0])
    return isinstance(annotation, type) and (
        dataclasses.is_dataclass(annotation) or _is_pydantic(annotation) or _is_msgspec(annotation)
    )


class _Compiler:
    """One walk through an annotation; remembers dataclasses, which may contain themselves."""

    def __init__(self) -> None:
        self._records: dict[type, Record] = {}

    def compile(self, annotation: Any) -> Converter:
        plain = _PLAIN.get(annotation) if _hashable(annotation) else None
        if plain is not None:
            return plain
        if isinstance(annotation, typing.NewType):
            return self.compile(annotation.__supertype__)
        if isinstance(annotation, typing.TypeVar):
            return Anything()
        origin = typing.get_origin(annotation)
        if origin is not None:
            return self._generic(origin, typing.get_args(annotation), annotation)
        if isinstance(annotation, type):
            return self._class(annotation)
        raise Unsupported(f"{annotation!r} isn't something that JSON can carry")

    def _generic(self, origin: Any, args: tuple[Any, ...], annotation: Any) -> Converter:
        if origin in (typing.Union, types.UnionType):
            return self._union(args)
        if origin is typing.Literal:
            return Choice(f"one of {_listed(args)}", tuple((one, one) for one in args))
        if origin in _TYPING_MARKS:
            return self.compile(args[0])
        if origin is tuple:
            return self._tuple(args)
        if origin in _ARRAYS:
            return Items("list", _ARRAYS[origin], self.compile(args[0]))
        if origin in _OBJECTS:
            return Table("object", self.compile(args[0]), self.compile(args[1]))
        if isinstance(origin, type):
            return self._class(origin)
        raise Unsupported(f"{annotation!r} isn't something that JSON can carry")

    def _union(self, args: tuple[Any, ...]) -> Converter:
        options = sorted((self.compile(one) for one in args), key=_union_order)
        return AnyOf(" or ".join(one.expected for one in options), tuple(options))

    def _tuple(self, args: tuple[Any, ...]) -> Converter:
        if len(args) == 2 and args[1] is Ellipsis:
            return Items("list", tuple, self.compile(args[0]))
        return Row(f"list of {len(args)}", tuple(self.compile(one) for one in args))

    def _class(self, annotation: type) -> Converter:
        if issubclass(annotation, enum.Enum):
            values = tuple((member.value, member) for member in annotation)
            return Choice(f"one of {_listed([value for value, _ in values])}", values)
        if _is_pydantic(annotation):
            return Model(annotation.__name__, _PydanticMaker(annotation))
        if _is_msgspec(annotation):
            return Model(annotation.__name__, _StructMaker(annotation))
        if dataclasses.is_dataclass(annotation):
            return self._record(annotation)
        if typing.is_typeddict(annotation):
            return _PLAIN[dict]
        if annotation in _ARRAYS:
            return Items("list", _ARRAYS[annotation], Anything())
        if annotation in _OBJECTS:
            return _PLAIN[dict]
        raise Unsupported(f"{annotation.__name__} isn't something that JSON can carry")

    def _record(self, annotation: type) -> Converter:
        known = self._records.get(annotation)
        if known is not None:
            return known
        fields = [one for one in dataclasses.fields(annotation) if one.init]
        required = frozenset(one.name for one in fields if _is_required(one))
        record = Record(annotation.__name__, annotation, {}, required)
        self._records[annotation] = record
        hints = typing.get_type_hints(annotation)
        record.fields.update((one.name, self.compile(hints[one.name])) for one in fields)
        return record


@dataclasses.dataclass(frozen=True, slots=True)
class _StructMaker:
    """Makes a msgspec Struct; a bare entry's strings stand for numbers."""

    struct: type

    def __call__(self, value: Any, bare: bool) -> Any:
        return sys.modules["msgspec"].convert(value, self.struct, strict=not bare)


@dataclasses.dataclass(frozen=True, slots=True)
class _PydanticMaker:
    """Makes a pydantic model, as lax or strict as the model itself says."""

    model: Any

    def __call__(self, value: Any, bare: bool) -> Any:
        return self.model.model_validate_json(orjson.dumps(value))


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _is_pydantic(annotation: type) -> bool:
    # Only who imported pydantic can have a model of its: no import of ours is needed to see it.
    return "pydantic" in sys.modules and hasattr(annotation, "model_validate")


def _is_msgspec(annotation: type) -> bool:
    return "msgspec" in sys.modules and hasattr(annotation, "__struct_fields__")


def _hashable(annotation: Any) -> bool:
    try:
        hash(annotation)
    except TypeError:  # Annotated with a list among its marks
        return False
    return True


def _union_order(option: Converter) -> int:
    # A float takes integers and null takes empty strings, so they come after the exact ones.
    return {Float: 1, Null: 2}.get(type(option), 0)


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in values)
