"""A small memory of what was worked out from the same bytes a moment ago.

Repeated requests are the ones that a cache serves; reading them again costs more than finding their answer. Bounded in entries and in
the size of each key, so that it never holds more than `entries * largest_bytes`.
"""

from typing import Generic, TypeVar

_T = TypeVar("_T")


class Recent(Generic[_T]):
    """Values by body; the oldest entry goes first. Only for pure functions of the body."""

    __slots__ = ("_entries", "_found", "_largest_bytes")

    def __init__(self, *, entries: int = 256, largest_bytes: int = 16_384) -> None:
        self._found: dict[bytes, _T] = {}
        self._entries = entries
        self._largest_bytes = largest_bytes

    def get(self, body: bytes) -> _T | None:
        return self._found.get(body)

    def put(self, body: bytes, value: _T) -> None:
        if len(body) > self._largest_bytes:
            return
        if len(self._found) >= self._entries:
            del self._found[next(iter(self._found))]
        self._found[body] = value
