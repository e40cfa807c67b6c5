"""What a tap must know of a dialect: how its streams end, and how to end one truthfully."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from farthing.core.money import format_usd
from farthing.core.usage import Usage
from farthing.wire.patch import patch
from farthing.wire.sse import event_data

_Shape = TypeVar("_Shape", bound=msgspec.Struct)

encode_json = msgspec.json.Encoder().encode


class Ending(Protocol):
    """Fulfilled by the modules `chat`, `messages` and `responses`."""

    TEXT: "re.Pattern[bytes]"  # JSON strings that hold answer text; their content is group 1

    @staticmethod
    def may_end(ready: bytes) -> bool:
        """Cheap and never wrong when it says no: none of these events ends the answer."""
        ...

    @staticmethod
    def first_mark(ready: bytes) -> int:
        """Where the first sign of an end stands, after `may_end` said that there may be one."""
        ...

    @staticmethod
    def finishes(event: bytes) -> int:
        """How many of a stream's choices end with this event."""
        ...

    @staticmethod
    def ends(event: bytes) -> bool:
        """The answer, all of it, ends with this event: usage, error, terminal mark."""
        ...

    @staticmethod
    def head(pieces: Sequence[bytes]) -> bytes:
        """What of the stream's beginning is needed to understand its end."""
        ...

    @staticmethod
    def tail(held: bytes, *, wants_usage: bool, cost_usd: Decimal | None, truncated: str | None) -> bytes:
        """The held end as the caller may have it; `truncated` says why we let the answer grow no longer."""
        ...

    @staticmethod
    def cut(stream: bytes, reason: str, usage: Usage | None) -> bytes:
        """Events that end the stream here and say why."""
        ...


class EndEvents(Generic[_Shape]):
    """The end of a dialect whose events carry their `type`: which types end an answer, and how its events are read.

    `shape` has `type` first, with a default for what cannot be read.
    """

    def __init__(self, shape: type[_Shape], *types: str) -> None:
        self._shape = shape
        self._decode = msgspec.json.Decoder(shape).decode
        self.types = types
        self._marks = tuple(f'"{name}"'.encode() for name in types)

    def may_end(self, ready: bytes) -> bool:
        return any(found in ready for found in self._marks)

    def first_mark(self, ready: bytes) -> int:
        return min(place for found in self._marks if (place := ready.find(found)) >= 0)

    def read(self, event: bytes) -> _Shape:
        payload = event_data(event)
        if payload is None:
            return self._shape()
        try:
            return self._decode(payload)
        except (ValueError, RecursionError):
            return self._shape()


def no_choice_ends(event: bytes) -> int:
    """`finishes` of a dialect whose answers come alone: their end is an event of its own."""
    del event
    return 0


def mark(reason: str) -> dict[str, Any]:
    """What we add to an answer that we cut."""
    return {"truncated": True, "reason": reason}


def mark_patch(payload: bytes, reason: str) -> bytes:
    """The payload with our mark in it."""
    return patch(payload, {"farthing": msgspec.json.encode(mark(reason))})


def text_fields(*names: str) -> "re.Pattern[bytes]":
    """The string values of these fields."""
    return re.compile(rb'"(?:' + "|".join(names).encode() + rb')":\s*+"((?:[^"\\]++|\\.)*+)"')


def cost_patch(payload: bytes, cost_usd: Decimal) -> bytes:
    """The payload with `cost` in its top-level usage object."""
    found = _USAGE.decode(payload)
    counted = bytes(found.usage)
    if not counted.startswith(b"{"):
        return payload
    usage = patch(counted, {"cost": format_usd(cost_usd).encode()})
    return patch(payload, {"usage": usage})


class _WithUsage(msgspec.Struct, gc=False):
    usage: msgspec.Raw = msgspec.Raw()


_USAGE = msgspec.json.Decoder(_WithUsage)
