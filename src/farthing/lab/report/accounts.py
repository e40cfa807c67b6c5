"""The savings accounts of the rows, added up by lever: what each saved, and the range of what is estimated of it.

An account that cannot be read counts as none: its difference is shown as not split.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from farthing.core.account import SAVERS
from farthing.lab.report.totals import Squares, Sums
from farthing.lab.report.window import UNKNOWN, Chunk, Codes, Whole


class RowAccount(msgspec.Struct, frozen=True, gc=False):
    """What the report reads of a `core.account.Account`; levers of a newer Farthing pass."""

    saved: dict[str, int]
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    extra: dict[str, int] = {}
    prompt: tuple[int, int, int, int] | None = None


_decode_all = msgspec.json.Decoder(list[RowAccount | None]).decode
_decode_one = msgspec.json.Decoder(RowAccount).decode


def read_accounts(texts: Sequence[str | None]) -> list[RowAccount | None]:
    """One account a row, `None` where there is none that can be read."""
    try:
        return _decode_all(f"[{','.join('null' if text is None else text for text in texts)}]")
    except msgspec.DecodeError:
        return [_readable(text) for text in texts]


def _readable(text: str | None) -> RowAccount | None:
    try:
        return None if text is None else _decode_one(text)
    except msgspec.DecodeError:
        return None


class LeverSums:
    """One lever: sums by kind, and its part of each row that it acted on (by the row's number in the window)."""

    def __init__(self) -> None:
        self.requests, self.saved, self.low, self.high = Sums(), Sums(), Sums(), Sums()
        self.below, self.above = Squares(), Squares()  # how far each part may be from what was likely
        self._rows: list[Codes] = []
        self._parts: list[NDArray[np.float64]] = []

    def add(self, chunk: Chunk, first_row: int, items: Whole) -> None:
        """`items`: columns row in chunk, saved, low, high."""
        rows = items[:, 0]
        kinds = chunk.kinds[rows]
        self.requests.add(kinds, np.ones_like(rows))
        for sums, column in ((self.saved, 1), (self.low, 2), (self.high, 3)):
            sums.add(kinds, items[:, column])
        self.below.add(kinds, items[:, 1] - items[:, 2])
        self.above.add(kinds, items[:, 3] - items[:, 1])
        self._rows.append((rows + first_row).astype(np.int32))
        self._parts.append(items[:, 1].astype(np.float64))

    def by_row(self) -> tuple[Codes, NDArray[np.float64]]:
        """Numbers of the rows, and what was saved of each."""
        return np.concatenate(self._rows), np.concatenate(self._parts)


class Accounts:
    """The accounts of all rows that have a cost and a baseline."""

    def __init__(self) -> None:
        self.levers: dict[str, LeverSums] = {}
        self.without = Sums()  # rows that have both and no account
        self.below, self.above = Squares(), Squares()  # how far a row's whole saving may be from what was likely

    def add(self, chunk: Chunk, found: Sequence[RowAccount | None], first_row: int) -> None:
        compared = (chunk.cost != UNKNOWN) & (chunk.baseline != UNKNOWN)
        missing = np.fromiter((account is None for account in found), np.bool_, len(found))
        self.without.add(chunk.kinds, (compared & missing).astype(np.int64))
        counts = (compared & ~missing).tolist()
        items: dict[str, list[tuple[int, int, int, int]]] = {}
        for row, account in enumerate(found):
            if account is None or not counts[row]:
                continue
            if account.low or account.high:
                low, high = account.low, account.high
                for lever, part in account.saved.items():
                    items.setdefault(lever, []).append((row, part, low.get(lever, part), high.get(lever, part)))
            else:
                for lever, part in account.saved.items():
                    items.setdefault(lever, []).append((row, part, part, part))
        reach = np.zeros((2, len(found)), np.int64)
        for lever, listed in items.items():
            columns = np.array(listed, np.int64)
            self.lever(lever).add(chunk, first_row, columns)
            # The parts of one request rest on the same guess: they err together.
            reach[0, columns[:, 0]] += columns[:, 1] - columns[:, 2]
            reach[1, columns[:, 0]] += columns[:, 3] - columns[:, 1]
        self.below.add(chunk.kinds, reach[0])
        self.above.add(chunk.kinds, reach[1])

    def lever(self, name: str) -> LeverSums:
        return self.levers.setdefault(name, LeverSums())


def in_order(levers: Sequence[str]) -> list[str]:
    """As accounts are shown; those that this Farthing does not know come last."""
    known = [lever for lever in SAVERS if lever in levers]
    return [*known, *sorted(set(levers) - set(known))]
