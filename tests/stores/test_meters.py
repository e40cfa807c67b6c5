"""Meters against a plain dictionary: every verdict and every balance, over random groups, on two connections that take turns."""

import sqlite3
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import config
from farthing.core.ledger import Hold, Refusal, Release, Reserved
from farthing.stores.sqlite import Counts, database
from farthing.stores.sqlite.group import Ledger, Op
from tests.stores.samples import NOON, hold, query

METERS = ("a", "b", "c")
holds = st.lists(st.builds(hold, st.sampled_from(METERS), st.integers(0, 6), st.integers(0, 30)), max_size=4)
operation = st.tuples(st.sampled_from(("reserve", "record", "settle")), holds, st.integers(0, 8))
group = st.tuples(st.integers(0, 1), st.lists(operation, min_size=1, max_size=6))


class Model:
    """What the meters should say."""

    def __init__(self) -> None:
        self.used = dict.fromkeys(METERS, 0)
        self.held = dict.fromkeys(METERS, 0)
        self.open: list[tuple[str, list[Hold]]] = []

    def hold(self, request_id: str, wanted: list[Hold], spend: bool) -> Reserved | Refusal:
        before = dict(self.used), dict(self.held)
        left: list[int] = []
        for each in wanted:
            used, held = self.used[each.meter], self.held[each.meter]
            if used + held + each.amount > each.limit:
                self.used, self.held = before
                return Refusal(each, used, held)
            balance = self.used if spend else self.held
            balance[each.meter] += each.amount
            left.append(each.limit - used - held - each.amount)
        if not spend:
            self.open.append((request_id, wanted))
        return Reserved(tuple(left))

    def settle(self, used: int) -> tuple[str, list[Release]]:
        request_id, wanted = self.open.pop(0)
        releases = [Release(each.meter, each.amount, used) for each in wanted]
        for release in releases:
            self.held[release.meter] -= release.held
            self.used[release.meter] += release.used
        return request_id, releases


def _build(model: Model, request_id: str, kind: str, wanted: list[Hold], used: int) -> tuple[Op, Reserved | Refusal | None] | None:
    if kind == "settle":
        if not model.open:
            return None
        request_id, releases = model.settle(used)
        return Op(request_id, None, releases=releases, closes=True), None
    verdict = model.hold(request_id, wanted, kind == "record")
    if kind == "reserve":
        return Op(request_id, None, holds=wanted, intent=(request_id, 1, 0, "{}")), verdict
    return Op(request_id, None, holds=wanted), verdict if wanted else None


def _play(path: str, ledgers: list[tuple[sqlite3.Connection, Ledger]], groups: list[tuple[int, list[tuple[str, list[Hold], int]]]]) -> None:
    model = Model()
    for number, (who, operations) in enumerate(groups):
        built = [_build(model, f"{number}.{i}", *operation) for i, operation in enumerate(operations)]
        pairs = [pair for pair in built if pair is not None]
        connection, ledger = ledgers[who]
        ledger.commit(connection, [op for op, _ in pairs], NOON)
        assert [op.outcome for op, _ in pairs] == [verdict for _, verdict in pairs]
        stored = {name: (used, held) for name, used, held in query(path, "SELECT meter, used, held FROM meters")}
        assert {name: (model.used[name], model.held[name]) for name in METERS} == dict.fromkeys(METERS, (0, 0)) | stored
    assert [name for (name,) in query(path, "SELECT request_id FROM intents ORDER BY 1")] == sorted(name for name, _ in model.open)


@settings(max_examples=60, deadline=None)
@given(st.lists(group, max_size=8))
def test_the_meters_do_what_a_dictionary_does(groups: list[tuple[int, list[tuple[str, list[Hold], int]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        store = config.Store(path=str(Path(folder) / "db"))
        database.prepare(store)
        ledgers = [(stack.enter_context(closing(database.connect(store))), Ledger(Counts())) for _ in range(2)]
        _play(store.path, ledgers, groups)
