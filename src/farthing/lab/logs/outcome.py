"""What comes of one record: calls, none, or a reason why it cannot be read."""

from collections.abc import Iterable
from typing import Protocol

from farthing.lab.logs.base import LoggedCall
from farthing.lab.logs.record import Record


class NoCall(Exception):
    """The record is sound and no model call: a tool's span, a trace's head. Counted, not broken."""


class Format(Protocol):
    """One kind of log. `fits` sees the names of a record's fields only."""

    name: str
    looks_for: str  # for the message when nothing fits

    def fits(self, names: frozenset[str]) -> bool: ...

    def read(self, record: Record, source: str) -> Iterable[LoggedCall]:
        """The calls of a record. Raises `NoCall`, or `ValueError` with a reason."""
        ...
