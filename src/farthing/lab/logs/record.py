"""One record of a log, whatever held it: a JSON object, a CSV row, a row of a table. Values are read when asked for.

Guarantees: an empty cell and a JSON null are `None`; numbers and times may be written as text; JSON may be wrapped in a string.
Raises `ValueError` where a value is there and cannot be what it is asked to be.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, cast

import msgspec

_SIGNS = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_AMOUNT = re.compile(r"\s*(US\$|[$€£¥]|[A-Z]{3})?\s*(-?[\d.,]*\d(?:[eE][-+]?\d+)?)\s*([$€£¥]|[A-Z]{3})?\s*")
_LATE_S, _MILLIS, _MICROS = 1e11, 1e14, 1e17  # unix times above are in milliseconds, microseconds, nanoseconds
_SPACED_OFFSET = re.compile(r" (?:UTC|([+-]\d{2}:?\d{2}))$")


class Record:
    """Named values. `fields` hold `msgspec.Raw` (not yet decoded), text of a cell, or Python values."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields

    @staticmethod
    def of(found: object) -> "Record":
        """A record of a decoded value; without fields when it is no object."""
        return Record(cast(dict[str, Any], found) if isinstance(found, dict) else {})

    def value(self, *names: str) -> Any:
        """The first of these that says something."""
        fields = self.fields
        for name in names:
            found = fields.get(name)
            if found is None:
                continue
            if type(found) is msgspec.Raw:
                found = msgspec.json.decode(found)
            if found is not None and found != "":
                return found
        return None

    def text(self, *names: str) -> str | None:
        found = self.value(*names)
        return found if found is None or isinstance(found, str) else _plain(found)

    def integer(self, *names: str) -> int | None:
        found = self.value(*names)
        return None if found is None else whole(found)

    def number(self, *names: str) -> float | None:
        found = self.value(*names)
        return None if found is None else float(found)

    def flag(self, *names: str) -> bool | None:
        found = self.value(*names)
        return found.strip().lower() in ("true", "t", "1", "yes") if isinstance(found, str) else None if found is None else bool(found)

    def moment(self, *names: str) -> float | None:
        """Unix seconds of a date or a number."""
        found = self.value(*names)
        return None if found is None else unix(found)

    def money(self, *names: str) -> tuple[Decimal | None, str | None]:
        """An amount and its currency, where it names one."""
        found = self.value(*names)
        return (None, None) if found is None else amount(found)

    def structure(self, *names: str) -> Any:
        """A list or an object, also one that is written inside a string; any other text as it is."""
        return structured(self.value(*names))

    def child(self, *names: str) -> "Record":
        """The object of that name; one without fields when there is none."""
        return Record.of(self.structure(*names))

    def body(self, name: str) -> bytes | None:
        """The bytes of a JSON object, as they stand where they stand as such."""
        found = self.fields.get(name)
        if isinstance(found, msgspec.Raw):
            held = bytes(found)
            if held[:1] != b'"':
                return held if held[:1] == b"{" else None
            found = msgspec.json.decode(held)
        if isinstance(found, str):
            return found.encode() if found.lstrip()[:1] == "{" else None
        return msgspec.json.encode(found) if isinstance(found, dict) else None

    def children(self, name: str) -> Iterator["Record"]:
        """The objects of a list."""
        found = self.structure(name)
        for inner in cast(list[object], found) if isinstance(found, list) else ():
            if isinstance(inner, dict):
                yield Record(cast(dict[str, Any], inner))


def structured(found: Any) -> Any:
    """What a string of JSON says; everything else as it is."""
    if isinstance(found, str) and found.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(found)
        except (ValueError, RecursionError):
            return found
    return found


def whole(found: Any) -> int:
    """A count. Raises `ValueError` for a negative one."""
    number = found if isinstance(found, int) else int(float(found))
    if number < 0:
        raise ValueError(f"a count of {number}")
    return number


def unix(found: Any) -> float:
    """Unix seconds: from a number (seconds to nanoseconds, told apart by size), a date, or a date in text."""
    if isinstance(found, datetime):
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    try:
        number = float(found)
    except (TypeError, ValueError):
        return _dated(str(found))
    if number < _LATE_S:
        return number
    return number / (1e3 if number < _MILLIS else 1e6 if number < _MICROS else 1e9)


def _dated(text: str) -> float:
    text = _SPACED_OFFSET.sub(lambda match: match[1] or "+00:00", text.strip())
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def amount(found: Any) -> tuple[Decimal | None, str | None]:
    """`0.01`, `"0.01"`, `"$0.01"`, `"0.01 EUR"`: an amount and its currency, `None` where it names none."""
    if not isinstance(found, str):
        number = Decimal(str(found))
        return (number, None) if number.is_finite() and number >= 0 else (None, None)
    match = _AMOUNT.fullmatch(found)
    if match is None:
        raise ValueError(f"{found[:40]!r} is no amount of money")
    sign = match[1] or match[3]
    try:
        number = Decimal(match[2].replace(",", "") if "." in match[2] or match[2].count(",") > 1 else match[2].replace(",", "."))
    except InvalidOperation:
        raise ValueError(f"{found[:40]!r} is no amount of money") from None
    return (number if number >= 0 else None), (None if sign is None else _SIGNS.get(sign, sign))


def _plain(found: Any) -> str:
    return str(found) if isinstance(found, int | float | bool | Decimal) else msgspec.json.encode(found, enc_hook=str).decode()
