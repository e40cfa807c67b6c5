"""Rollups hold exactly what the ledger holds, whatever order its rows come in, who fills them, and when somebody dies."""

import asyncio
import itertools
import multiprocessing
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import config
from farthing.core.clock import FrozenClock
from farthing.core.forgetting import Drop
from farthing.stores.sqlite import AnswerStore, Book, database
from farthing.stores.sqlite.rollups import behind, catch_up, filler, next_batch, sketch
from farthing.stores.sqlite.rollups.clerk import Clerk, ClerkGone
from farthing.stores.sqlite.rollups.keeper import RollupKeeper
from farthing.stores.sqlite.rollups.tally import DAY, HOUR, LEVELS, MINUTE, SUMS, Row, split_of
from farthing.stores.sqlite.transaction import transaction
from tests.stores import traffic
from tests.stores.samples import row

NOW = traffic.NOW
ORACLE = {
    "requests": "count(*)",
    "priced": "count(cost_picousd)",
    "compared": "sum(cost_picousd IS NOT NULL AND baseline_cost_picousd IS NOT NULL)",
    "cost": "total_of(cost_picousd)",
    "compared_cost": "total_of(CASE WHEN baseline_cost_picousd IS NOT NULL THEN cost_picousd END)",
    "baseline": "total_of(CASE WHEN cost_picousd IS NOT NULL THEN baseline_cost_picousd END)",
    "tokens_in": "total_of(tokens_in)",
    "tokens_out": "total_of(tokens_out)",
    "tokens_cached": "total_of(tokens_cached)",
    "tokens_unknown": "sum(tokens_in IS NULL OR tokens_out IS NULL)",
    "calls": "total_of(num_llm_calls)",
    "truncated": "count(truncated)",
    "latency_us": "total_of(CAST(round(latency_total_ms * 1000) AS INTEGER))",
}
DIMENSIONS = ("endpoint", "model_tier", "model_name", "cache", "outcome", "error_code")


class _Total:
    """A sum without a largest value."""

    def __init__(self) -> None:
        self.total = 0

    def step(self, value: int | None) -> None:
        self.total += value or 0

    def finalize(self) -> str:
        return str(self.total)


@pytest.fixture
def store(tmp_path: Path) -> config.Store:
    made = config.Store(path=str(tmp_path / "farthing.db"))
    database.prepare(made)
    return made


@pytest.fixture
def connection(store: config.Store) -> Iterator[sqlite3.Connection]:
    with closing(_open(store)) as opened:
        yield opened


def _open(store: config.Store) -> sqlite3.Connection:
    connection = database.connect(store)
    connection.create_aggregate("total_of", 1, _Total)  # type: ignore[arg-type]
    return connection


def _ledger(connection: sqlite3.Connection, level: int, since: float = 0.0) -> set[tuple[Any, ...]]:
    """The truth: sums over the ledger's own rows, by bucket, tenant and cell."""
    bucket = f"CAST(received_at / {level} AS INTEGER) * {level}"
    what = ", ".join(f"ifnull({name}, '')" for name in DIMENSIONS)
    places = ", ".join(str(place) for place in range(1, 3 + len(DIMENSIONS)))
    found: set[tuple[Any, ...]] = set()
    for tenant in ("tenant", "''"):
        sql = f"SELECT {bucket}, {tenant}, {what}, {', '.join(ORACLE.values())} FROM requests WHERE {bucket} >= ? GROUP BY {places}"
        found |= {(*values[:8], *map(int, values[8:])) for values in connection.execute(sql, (since,))}
    return found


def _rollups(connection: sqlite3.Connection, level: int) -> set[tuple[Any, ...]]:
    columns = "bucket, name, endpoint, tier, model, cache, outcome, error_code, " + ", ".join(ORACLE)
    sql = f"SELECT {columns} FROM rollups JOIN rollup_cells USING (cell) JOIN rollup_tenants USING (tenant) WHERE level = ?"
    return set(connection.execute(sql, (level,)).fetchall())


def _saved(connection: sqlite3.Connection) -> dict[str, int]:
    found: dict[str, int] = {}
    for (text,) in connection.execute("SELECT account FROM requests WHERE account IS NOT NULL"):
        for lever, amount in msgspec.json.decode(text)["saved"].items():
            found[lever] = found.get(lever, 0) + amount
    return found


def _assert_equal(connection: sqlite3.Connection, now: float = NOW) -> None:
    assert _rollups(connection, DAY) == _ledger(connection, DAY)
    for level in (HOUR, MINUTE):
        oldest_kept = now - filler.KEPT_S[level]
        assert _rollups(connection, level) == _ledger(connection, level, oldest_kept)
    parts = "SELECT name, sum(amount) FROM rollup_parts WHERE level = ? AND tenant = 0 AND kind = 'saved' GROUP BY name"
    assert dict(connection.execute(parts, (DAY,))) == _saved(connection)


def test_sums_of_rollups_are_sums_of_the_ledger(connection: sqlite3.Connection) -> None:
    rows = list(traffic.ledger(3_000, days=20.0))
    random.Random(3).shuffle(rows)  # settles come late, and out of order
    for chunk in itertools.batched(rows, 700) if hasattr(itertools, "batched") else [rows[at : at + 700] for at in range(0, 3_000, 700)]:
        traffic.write(connection, chunk)
        assert catch_up(connection, NOW, limit=137) == len(chunk)
    assert behind(connection) == 0
    _assert_equal(connection)


def test_money_beyond_64_bits_in_all_stays_exact_in_every_row(connection: sqlite3.Connection) -> None:
    traffic.write(connection, [row(f"r{n}", received_at=NOW, cost_picousd=2**60, baseline_cost_picousd=2**60) for n in range(3)])
    catch_up(connection, NOW)
    assert connection.execute("SELECT cost FROM rollups WHERE level = 60 AND tenant = 0").fetchall() == [(3 * 2**60,)]


def test_late_rows_of_an_old_day_are_counted_where_they_belong(connection: sqlite3.Connection) -> None:
    traffic.write(connection, [row("new", received_at=NOW)])
    catch_up(connection, NOW)
    traffic.write(connection, [row("old", received_at=NOW - 40 * DAY)])
    catch_up(connection, NOW)
    assert {values[0] for values in _rollups(connection, DAY)} == {NOW // DAY * DAY, (NOW - 40 * DAY) // DAY * DAY}
    assert len({values[0] for values in _rollups(connection, HOUR)}) == 1


def test_two_fillers_count_once(connection: sqlite3.Connection, store: config.Store) -> None:
    traffic.write(connection, list(traffic.ledger(300)))
    with closing(_open(store)) as other:
        mine, theirs = next_batch(connection, NOW), next_batch(other, NOW)
        assert mine is not None
        assert theirs is not None
        with transaction(connection):
            assert mine.write(connection) == 300
        with transaction(other):
            assert theirs.write(other) == 0
    _assert_equal(connection)


def _fill_for_ever(path: str, ready: Any) -> None:
    with closing(database.connect(config.Store(path=path))) as connection:
        ready.set()
        while True:
            catch_up(connection, NOW, limit=7)


def test_exact_after_kill_9_with_several_writers(connection: sqlite3.Connection, store: config.Store) -> None:
    """Writers write, fillers fill side by side, and die in the middle of it, again and again."""
    context = multiprocessing.get_context("spawn")
    rows = list(traffic.ledger(1_500))
    for round_number in range(3):
        ready = [context.Event() for _ in range(2)]
        fillers = [context.Process(target=_fill_for_ever, args=(store.path, event), daemon=True) for event in ready]
        for one in fillers:
            one.start()
        for event in ready:
            assert event.wait(30)
        for at in range(0, 500, 50):
            traffic.write(connection, rows[round_number * 500 + at : round_number * 500 + at + 50])
        for one in fillers:
            assert one.pid is not None
            os.kill(one.pid, signal.SIGKILL)
            one.join()
    catch_up(connection, NOW)
    _assert_equal(connection)


def test_sums_outlive_the_rows_that_were_deleted(connection: sqlite3.Connection) -> None:
    traffic.write(connection, list(traffic.ledger(400)))
    catch_up(connection, NOW)
    before = _rollups(connection, DAY)
    connection.execute("DELETE FROM requests WHERE rowid <= 150")
    assert catch_up(connection, NOW) == 0
    assert _rollups(connection, DAY) == before


def test_a_ledger_whose_rows_were_numbered_anew_is_counted_anew(connection: sqlite3.Connection) -> None:
    traffic.write(connection, list(traffic.ledger(400)))
    catch_up(connection, NOW)
    connection.execute("DELETE FROM requests WHERE rowid <= 150")
    connection.execute("UPDATE requests SET rowid = rowid - 150")  # as VACUUM may
    traffic.write(connection, list(traffic.ledger(90, seed=8)))
    catch_up(connection, NOW)
    _assert_equal(connection)


def _assert_verdicts_equal(connection: sqlite3.Connection) -> None:
    truth = connection.execute("SELECT count(*), count(score), sum(score < 0.5), sum(cost_picousd), total(score) FROM judgements").fetchone()
    sums = "SELECT sum(verdicts), sum(scored), sum(disputed), sum(cost), sum(score) / 1e6 FROM rollup_verdicts WHERE level = ? AND tenant = 0"
    assert connection.execute(sums, (DAY,)).fetchone() == pytest.approx(truth)


def test_verdicts_are_added_up_and_follow_their_changes(connection: sqlite3.Connection) -> None:
    rows = list(traffic.ledger(2_000, days=3.0))
    traffic.write(connection, rows)
    judged = traffic.judge(connection, rows, share=0.2)
    catch_up(connection, NOW, limit=77)
    assert connection.execute("SELECT sum(verdicts) FROM rollup_verdicts WHERE level = 86400 AND tenant = 0").fetchone()[0] == judged
    _assert_verdicts_equal(connection)
    connection.execute("UPDATE judgements SET score = 0.1, cost_picousd = 5, judged_at = judged_at - 86400 WHERE id % 3 = 0")
    traffic.judge(connection, rows, share=0.1, seed=99)
    connection.execute("UPDATE judgements SET score = NULL, endpoint = 'moved' WHERE id % 7 = 0")  # some counted, some not yet
    catch_up(connection, NOW, limit=50)
    _assert_verdicts_equal(connection)
    moved = "SELECT sum(verdicts), sum(scored) FROM rollup_verdicts WHERE level = 86400 AND tenant = 0 AND endpoint = 'moved'"
    assert connection.execute(moved).fetchone() == (connection.execute("SELECT count(*) FROM judgements WHERE id % 7 = 0").fetchone()[0], 0)


def test_the_names_of_callers_cannot_fill_the_disk(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filler, "_MOST_CELLS", 5)
    traffic.write(connection, [row(f"r{n}", endpoint=f"made-up-{n}", received_at=NOW) for n in range(40)])
    catch_up(connection, NOW)
    assert connection.execute("SELECT count(*) FROM rollup_cells").fetchone()[0] <= 7
    assert connection.execute("SELECT sum(requests) FROM rollups WHERE level = 86400 AND tenant = 0").fetchone()[0] == 40


def test_fine_buckets_go_when_their_time_is_past(connection: sqlite3.Connection) -> None:
    traffic.write(connection, list(traffic.ledger(200, days=0.5)))
    catch_up(connection, NOW)
    later = NOW + 16 * DAY
    while True:
        with transaction(connection):
            if not filler.purge(later)(connection):
                break
    assert {level: len(_rollups(connection, level)) > 0 for level in LEVELS} == {MINUTE: False, HOUR: False, DAY: True}


def test_the_keeper_follows_a_living_book(tmp_path: Path) -> None:
    async def live() -> tuple[int, list[tuple[Any, ...]]]:
        clock = FrozenClock(NOW)
        book = await Book.open(config.Store(path=str(tmp_path / "live.db")), worker="0", clock=clock)
        try:
            for each in traffic.ledger(40, days=0.01):
                await book.record(each, [])
            await AnswerStore(book).forget(Drop("tenant", "acme", at=book.clock.now()))
            keeper = RollupKeeper(book)
            keeper.start()
            reader = book.reader()
            async with asyncio.timeout(20):
                while behind(reader):
                    await asyncio.sleep(0.01)
            await keeper.close()
            sums = reader.execute("SELECT sum(requests) FROM rollups WHERE level = 60 AND tenant = 0").fetchone()[0]
            return sums, reader.execute("SELECT scope, drops FROM rollup_drops WHERE level = 86400").fetchall()
        finally:
            await book.close()

    assert asyncio.run(live()) == (40, [("tenant", 1)])


def _everything(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    tables = ("rollups", "rollup_parts", "rollup_sketches", "rollup_verdicts", "rollup_drops", "rollup_tenants", "rollup_cells", "rollup_cursors")
    return [row for table in tables for row in sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)]


def _children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def test_a_clerk_prepares_what_the_filler_would(tmp_path: Path) -> None:
    async def ask() -> list[list[tuple[Any, ...]]]:
        told: list[list[tuple[Any, ...]]] = []
        for who in ("filler", "clerk"):
            store = config.Store(path=str(tmp_path / f"{who}.db"))
            database.prepare(store)
            with closing(database.connect(store)) as connection:
                traffic.write(connection, list(traffic.ledger(300, days=2)))
                clerk = Clerk(store)
                try:
                    while batch := next_batch(connection, NOW) if who == "filler" else await clerk.next_batch(NOW):
                        with transaction(connection):
                            assert batch.write(connection)
                finally:
                    await clerk.close()
                told.append(_everything(connection))
        return told

    of_filler, of_clerk = asyncio.run(ask())
    assert of_filler == of_clerk
    assert of_clerk


def test_a_clerk_that_was_killed_says_so_and_the_next_question_starts_another(tmp_path: Path) -> None:
    async def ask() -> int:
        store = config.Store(path=str(tmp_path / "killed.db"))
        database.prepare(store)
        with closing(database.connect(store)) as connection:
            traffic.write(connection, list(traffic.ledger(30, days=1)))
        before = set(_children())
        clerk = Clerk(store)
        assert await clerk.next_batch(NOW) is not None
        (child,) = set(_children()) - before
        os.kill(child, signal.SIGKILL)
        with pytest.raises(ClerkGone, match="has ended"):
            await clerk.next_batch(NOW)
        batch = await clerk.next_batch(NOW)
        await clerk.close()
        return 0 if batch is None else batch.rows

    assert asyncio.run(ask()) == 30


def test_a_clerk_passes_on_what_the_store_says(tmp_path: Path) -> None:
    async def ask() -> None:
        store = config.Store(path=str(tmp_path / "empty.db"))
        with closing(database.connect(store)) as connection:
            connection.execute("CREATE TABLE other (x)")
        clerk = Clerk(store)
        try:
            with pytest.raises(sqlite3.OperationalError, match="no such table"):
                await clerk.next_batch(NOW)
        finally:
            await clerk.close()

    asyncio.run(ask())


def test_background_work_counts_everywhere_but_among_times(tmp_path: Path) -> None:
    store = config.Store(path=str(tmp_path / "book.db"))
    database.prepare(store)
    with closing(database.connect(store)) as connection:
        rows = [
            row("r1", received_at=NOW, first_token_ms=4.0),
            row("r2", received_at=NOW, first_token_ms=4.0, latency_total_ms=9e6, lane="background"),
        ]
        traffic.write(connection, rows)
        catch_up(connection, NOW)
        found = connection.execute("SELECT latency, first_token, slowest FROM rollup_sketches WHERE level = ? AND tenant = 0", (DAY,)).fetchall()
        requests = connection.execute("SELECT sum(requests) FROM rollups WHERE level = ? AND tenant = 0", (DAY,)).fetchone()[0]
    (latency, first_token, slowest), *others = found
    assert not others
    assert (requests, sketch.unpack(latency), sketch.unpack(first_token)) == (2, {sketch.bin_of(12.5): 1}, {sketch.bin_of(4.0): 1})
    assert [request_id for _, request_id in sketch.unpack_notable(slowest)] == ["r1"]


def test_quantiles_are_within_two_percent_however_they_were_added_up() -> None:
    draw = random.Random(5)
    values = [draw.lognormvariate(5, 1.5) for _ in range(5_000)]
    parts: list[sketch.Counts] = [{} for _ in range(7)]
    for at, value in enumerate(values):
        sketch.add(parts[at % 7], sketch.bin_of(value))
    merged: sketch.Counts = {}
    for part in parts:
        sketch.add_all(merged, sketch.unpack(sketch.pack(part)))
    values.sort()
    for share, found in zip((0.5, 0.9, 0.99), sketch.quantiles(merged, (0.5, 0.9, 0.99)), strict=True):
        exact = values[max(-int(-share * len(values) // 1), 1) - 1]
        assert found == pytest.approx(exact, rel=0.02)
    assert sketch.quantiles({}, (0.5, 0.9)) == [None, None]


def test_the_notable_are_the_largest_in_any_order() -> None:
    items = [(value % 13, f"r{value:02}") for value in range(40)]
    kept: list[sketch.Notable] = []
    for seed in range(5):
        random.Random(seed).shuffle(items)
        notable: sketch.Notable = []
        for value, request_id in items:
            sketch.note(notable, value, request_id)
        kept.append(sketch.unpack_notable(sketch.pack_notable(notable)))
    assert kept[0] == sorted(items, key=lambda item: (-item[0], item[1]))[: sketch.KEPT]
    assert all(one == kept[0] for one in kept)


def test_the_split_of_a_time_adds_up_to_the_whole() -> None:
    draw = random.Random(9)
    for _ in range(500):
        times = [None if draw.random() < 0.2 else round(draw.uniform(0, 900), 3) for _ in range(5)]
        blank = dict.fromkeys(Row._fields, None)
        names = ("total_ms", "model_ms", "retrieval_ms", "queue_ms", "first_token_ms")
        one = Row(**{**blank, **dict(zip(names, times, strict=True))})  # type: ignore[arg-type]
        split = split_of(one)
        assert min(split) >= 0
        assert sum(split) == round((times[0] or 0) * 1000)
    assert len(SUMS) == len(set(SUMS))
