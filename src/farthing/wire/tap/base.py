"""What a tap must know of a dialect: how its streams end, and how to end one truthfully."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from farthing.core.money import format_usd
from farthing.core.usage import Usage
from farthing.wire.patch import patch

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
