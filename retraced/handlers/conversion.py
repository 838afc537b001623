"""Values out of JSON (or out of a bare entry's strings) into what an annotation asks for.

`annotations.converter_for` makes the converters of a handler once; each job then passes them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from retraced.errors import InvalidEntry
from retraced.handlers.mismatch import check_names, inside, mismatch, model_mismatch

_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_INTEGER = re.compile(r"[+-]?[0-9]{1,400}", re.ASCII)
_WORDS = {"true": True, "1": True, "yes": True, "on": True}
_WORDS |= {"false": False, "0": False, "no": False, "off": False}


class Converter(Protocol):
    """Turns one value into the annotated one."""

    @property
    def expected(self) -> str:
        """What it takes, in words."""

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        """The converted value; `bare`: strings stand for numbers and the like.

        Raises InvalidEntry(path, why).
        """


@dataclass(frozen=True, slots=True)
class Anything:
    """Takes any value as it is."""

    expected: str = "anything"

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        return value


@dataclass(frozen=True, slots=True)
class Unfillable:
    """Takes nothing: the parameter has a default that no payload can replace."""

    name: str
    expected: str = "no value"

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        raise InvalidEntry(path, f"{self.name} can't be given by a payload")


@dataclass(frozen=True, slots=True)
class Null:
    """Takes null; of a bare entry the empty string too."""

    expected: str = "null"

    def convert(self, value: Any, path: str, *, bare: bool) -> None:
        if value is not None and not (bare and value == ""):
            raise mismatch(path, self.expected, value)


@dataclass(frozen=True, slots=True)
class Boolean:
    """Takes true and false; of a bare entry 1, 0, yes, no, on and off too."""

    expected: str = "bool"

    def convert(self, value: Any, path: str, *, bare: bool) -> bool:
        if value is True or value is False:
            return bool(value)
        if bare and isinstance(value, str) and value.lower() in _WORDS:
            return _WORDS[value.lower()]
        raise mismatch(path, self.expected, value)


@dataclass(frozen=True, slots=True)
class Integer:
    """Takes an integer; true and 1.0 aren't integers."""

    expected: str = "int"

    def convert(self, value: Any, path: str, *, bare: bool) -> int:
        if type(value) is int:
            return value
        if bare and isinstance(value, str) and _INTEGER.fullmatch(value):
            return int(value)
        raise mismatch(path, self.expected, value)


@dataclass(frozen=True, slots=True)
class Float:
    """Takes any number."""

    expected: str = "float"

    def convert(self, value: Any, path: str, *, bare: bool) -> float:
        if type(value) in (float, int):
            return float(value)
        if bare and isinstance(value, str) and _NUMBER.fullmatch(value):
            return float(value)
        raise mismatch(path, self.expected, value)


@dataclass(frozen=True, slots=True)
class Text:
    """Takes a string."""

    expected: str = "str"

    def convert(self, value: Any, path: str, *, bare: bool) -> str:
        if isinstance(value, str):
            return value
        raise mismatch(path, self.expected, value)


@dataclass(frozen=True, slots=True)
class Number:
    """Makes a finite Decimal of a string or a number."""

    expected: str = "Decimal"

    def convert(self, value: Any, path: str, *, bare: bool) -> Decimal:
        if type(value) not in (str, int, float):
            raise mismatch(path, self.expected, value)
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            raise mismatch(path, self.expected, value) from None
        if not number.is_finite():
            raise mismatch(path, self.expected, value)
        return number


@dataclass(frozen=True, slots=True)
class Parsed:
    """Makes a datetime, date, time or UUID of a string."""

    expected: str
    parse: Callable[[str], Any]

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        if not isinstance(value, str):
            raise mismatch(path, self.expected, value)
        try:
            return self.parse(value)
        except ValueError:
            raise mismatch(path, self.expected, value) from None


@dataclass(frozen=True, slots=True)
class Choice:
    """Takes one of an Enum's or a Literal's values; a bare entry gives them as strings."""

    expected: str
    results: tuple[tuple[Any, Any], ...]

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        for given, result in self.results:
            if type(given) is type(value) and given == value:
                return result
        for given, result in self.results if bare else ():
            if str(given) == value:
                return result
        raise mismatch(path, self.expected, value)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Takes what the first fitting of its options takes."""

    expected: str
    options: tuple[Converter, ...]

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        for option in self.options:
            try:
                return option.convert(value, path, bare=bare)
            except InvalidEntry as error:
                # A container that fails inside says more than "expected one of".
                if error.field != path and len(self.options) <= 2:
                    raise
        raise mismatch(path, self.expected, value)


@dataclass(frozen=True, slots=True)
class Items:
    """Makes a list, tuple, set or frozenset of a JSON array."""

    expected: str
    make: Callable[[list[Any]], Any]
    item: Converter

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        if not isinstance(value, list):
            raise mismatch(path, self.expected, value)
        if isinstance(self.item, Anything):
            return self._made(value, path)
        items = [
            self.item.convert(one, f"{path}[{index}]", bare=bare) for index, one in enumerate(value)
        ]
        return self._made(items, path)

    def _made(self, items: list[Any], path: str) -> Any:
        try:
            return self.make(items)
        except TypeError as error:
            raise InvalidEntry(path, f"can't be a {self.expected}: {error}") from None


@dataclass(frozen=True, slots=True)
class Row:
    """Makes a tuple of fixed length of a JSON array."""

    expected: str
    items: tuple[Converter, ...]

    def convert(self, value: Any, path: str, *, bare: bool) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) != len(self.items):
            raise mismatch(path, self.expected, value)
        return tuple(
            item.convert(one, f"{path}[{index}]", bare=bare)
            for index, (item, one) in enumerate(zip(self.items, value, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Table:
    """Takes a JSON object and converts its values."""

    expected: str
    key: Converter
    value: Converter

    def convert(self, value: Any, path: str, *, bare: bool) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise mismatch(path, self.expected, value)
        # Keys of a JSON object are strings always, so numbers among them are written as such.
        return {
            self.key.convert(key, inside(path, key), bare=True): self.value.convert(
                one, inside(path, key), bare=bare
            )
            for key, one in value.items()
        }


@dataclass(frozen=True, slots=True)
class Model:
    """Makes a pydantic or msgspec model; how is theirs to say."""

    expected: str
    make: Callable[[Any, bool], Any]

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        try:
            return self.make(value, bare)
        except ValueError as error:  # the ValidationError of both libraries is one
            raise model_mismatch(error, path) from error


@dataclass(frozen=True, slots=True)
class Record:
    """Makes a dataclass of a JSON object; surplus and missing fields are named."""

    expected: str
    make: type
    fields: dict[str, Converter]
    required: frozenset[str]

    def convert(self, value: Any, path: str, *, bare: bool) -> Any:
        if not isinstance(value, dict):
            raise mismatch(path, f"an object for {self.expected}", value)
        check_names(value, path, known=self.fields, required=self.required, owner=self.expected)
        arguments = {
            name: self.fields[name].convert(one, inside(path, name), bare=bare)
            for name, one in value.items()
        }
        try:
            return self.make(**arguments)
        except (TypeError, ValueError) as error:
            raise InvalidEntry(path, f"{self.expected} refuses it: {error}") from error
