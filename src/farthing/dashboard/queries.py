"""Sums of the rollups within a view. Money comes back exact: as whole picodollars, beyond 64 bits where it must."""

import sqlite3
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from farthing.core.money import from_picousd
from farthing.dashboard.view import View
from farthing.stores.sqlite.rollups import sketch
from farthing.stores.sqlite.rows import marks

Key = TypeVar("Key", bound=Hashable)
_HALF = 32
_LOW_HALF = 2**_HALF - 1


class Reader:
    """One look at one snapshot."""

    def __init__(self, connection: sqlite3.Connection, view: View) -> None:
        self.connection = connection
        self.view = view
        self._within, self._values = self._condition()

    def sums(self, by: Sequence[str], columns: Sequence[str], *, only: str = "1") -> list[tuple[Any, ...]]:
        """`by` (endpoint, tier, model, cache, outcome, error_code, point, served) and the sums of `columns`, a row per group."""
        groups = ", ".join(self._group(name) for name in by)
        select = ", ".join([*([groups] if groups else []), *(_exact(column) for column in columns)])
        places = ", ".join(str(place + 1) for place in range(len(by)))
        sql = f"SELECT {select} FROM rollups JOIN rollup_cells USING (cell) WHERE {self._within} AND {only}"
        rows = self.connection.execute(f"{sql} GROUP BY {places}" if by else sql, self._values)
        return [_joined(row, len(by)) for row in rows]

    def total(self, columns: Sequence[str], *, only: str = "1") -> dict[str, int]:
        """The sums over everything."""
        return dict(zip(columns, self.sums((), columns, only=only)[0], strict=True))

    def parts(self, kind: str, by: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """`by`, name, amount, low, high of the parts of accounts."""
        groups = "".join(f"{self._group(name)}, " for name in by)
        select = f"{groups}name, {', '.join(map(_exact, ('amount', 'low', 'high')))}"
        places = ", ".join(str(place + 1) for place in range(len(by) + 1))
        sql = f"SELECT {select} FROM rollup_parts JOIN rollup_cells USING (cell) WHERE {self._within} AND kind = ? GROUP BY {places}"
        return [_joined(row, len(by) + 1) for row in self.connection.execute(sql, (*self._values, kind))]

    def sketches(self, column: str, by: Sequence[str]) -> dict[tuple[Any, ...], sketch.Counts]:
        """Distributions by group."""
        groups = "".join(f"{self._group(name)}, " for name in by)
        sql = f"SELECT {groups}{column} FROM rollup_sketches JOIN rollup_cells USING (cell) WHERE {self._within}"
        packed: dict[tuple[Any, ...], list[bytes]] = {}
        for *group, body in self.connection.execute(sql, self._values):
            if body:
                packed.setdefault(tuple(group), []).append(body)
        return {group: _merged(bodies) for group, bodies in packed.items()}

    def notable(self, column: str) -> sketch.Notable:
        """The largest of all, with their requests."""
        sql = f"SELECT {column} FROM rollup_sketches JOIN rollup_cells USING (cell) WHERE {self._within}"
        found: sketch.Notable = []
        for (packed,) in self.connection.execute(sql, self._values):
            for value, request_id in sketch.unpack_notable(packed):
                sketch.note(found, value, request_id)
        return found

    def verdicts(self, by: Sequence[str], columns: Sequence[str], *, only: str = "1") -> list[tuple[Any, ...]]:
        """`by` (endpoint, tier, cache, source, lever, point) and sums of verdicts."""
        groups = ", ".join(self._group(name) for name in by)
        select = ", ".join([*([groups] if groups else []), *(_exact(column) for column in columns)])
        places = ", ".join(str(place + 1) for place in range(len(by)))
        sql = f"SELECT {select} FROM rollup_verdicts WHERE {self._within} AND {only}"
        return [_joined(row, len(by)) for row in self.connection.execute(f"{sql} GROUP BY {places}" if by else sql, self._values)]

    def drops(self) -> list[tuple[int, int]]:
        """(point, answers or scopes that were forgotten)."""
        view = self.view
        sql = f"SELECT {self._group('point')}, sum(drops) FROM rollup_drops WHERE level = ? AND bucket >= ? AND bucket < ? GROUP BY 1"
        return self.connection.execute(sql, (view.level, view.since, view.until)).fetchall()

    def _group(self, name: str) -> str:
        if name == "point":
            return f"bucket / {self.view.step} * {self.view.step}"
        return _SERVED_BY if name == "served" else name

    def _condition(self) -> tuple[str, tuple[Any, ...]]:
        """By the list of buckets, not by their range: with the tenant behind them in the key, each is one seek."""
        view = self.view
        buckets = tuple(view.buckets)
        found = self.connection.execute("SELECT tenant FROM rollup_tenants WHERE name = ?", (view.tenant,)).fetchone()
        values: list[Any] = [view.level, *buckets, found[0] if found else -1]
        within = f"level = ? AND bucket IN {marks(len(buckets))} AND tenant = ?"
        for name, value in (("endpoint", view.endpoint), ("tier", view.tier)):
            if value:
                within += f" AND {name} = ?"
                values.append(value)
        return within, tuple(values)


HITS = ("exact", "normalised", "semantic", "coalesced")
REUSED, NAMED, UNSERVED = "reused", "named model", "no model"
IS_HIT = f"cache IN {HITS!r}"
_SERVED_BY = f"CASE WHEN {IS_HIT} THEN '{REUSED}' WHEN tier != '' THEN tier WHEN model != '' THEN '{NAMED}' ELSE '{UNSERVED}' END"


def served_by(tier: str | None, cache: str | None, model: str | None) -> str:
    """Who answered, as the group `served` says it: memory, a tier, a model that the caller named, or nobody."""
    return REUSED if cache in HITS else tier or (NAMED if model else UNSERVED)


def usd(amount_picousd: int) -> float:
    return float(from_picousd(amount_picousd))


def choices(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """What can be filtered by."""
    endpoints = connection.execute("SELECT DISTINCT endpoint FROM rollup_cells WHERE endpoint != '' ORDER BY 1").fetchall()
    tiers = connection.execute("SELECT DISTINCT tier FROM rollup_cells WHERE tier != '' ORDER BY 1").fetchall()
    tenants = connection.execute("SELECT name FROM rollup_tenants WHERE name != '' ORDER BY 1 LIMIT 1000").fetchall()
    return {"endpoint": [row[0] for row in endpoints], "tenant": [row[0] for row in tenants], "tier": [row[0] for row in tiers]}


def _exact(column: str) -> str:
    """A sum in two halves: SQLite's own ends at 2^63, nine million USD in picodollars."""
    return f"sum({column} >> {_HALF}), sum({column} & {_LOW_HALF})"


def _joined(row: Sequence[Any], groups: int) -> tuple[Any, ...]:
    halves = row[groups:]
    sums = (((high or 0) << _HALF) + (low or 0) for high, low in zip(halves[::2], halves[1::2], strict=True))
    return (*row[:groups], *sums)


def _merged(bodies: Iterable[bytes]) -> sketch.Counts:
    import numpy as np

    entries = np.frombuffer(b"".join(bodies), dtype=np.dtype([("index", "<u2"), ("many", "<u4")]))
    counts = np.bincount(entries["index"], weights=entries["many"])
    return {int(index): int(counts[index]) for index in counts.nonzero()[0]}


def add_up(rows: Iterable[tuple[Key, Sequence[int]]]) -> dict[Key, list[int]]:
    """The sums of rows that share a key, column by column."""
    whole: dict[Key, list[int]] = {}
    for key, values in rows:
        before = whole.get(key)
        whole[key] = list(values) if before is None else [mine + more for mine, more in zip(before, values, strict=True)]
    return whole


def added(counts: Iterable[Mapping[int, int]]) -> sketch.Counts:
    whole: sketch.Counts = {}
    for each in counts:
        sketch.add_all(whole, each)
    return whole
