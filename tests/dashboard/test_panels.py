"""Panels against the ledger itself: the same sums, the same order, quantiles within their word."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import config
from farthing.core.batch import Batch
from farthing.core.errors import InvalidRequest, NotFound
from farthing.core.request import KeyLimits
from farthing.dashboard import Figures, View, read_view
from farthing.dashboard.facts import Facts, KeyFacts, Load
from farthing.dashboard.panels import account, budgets, quality
from farthing.dashboard.queries import Reader
from farthing.dashboard.site import PANELS, Site
from farthing.lab.statistics import wilson
from farthing.page import Block, Waterfall
from farthing.stores.sqlite import database
from farthing.stores.sqlite.rollups import catch_up
from farthing.stores.sqlite.rollups.tally import DAY, HOUR, MINUTE
from tests.stores import traffic
from tests.stores.orders import order
from tests.stores.samples import row

NOW = traffic.NOW
NO_FACTS = Facts(config.Config())


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """Three days of traffic, some of it judged, counted."""
    with closing(_store(tmp_path_factory.mktemp("store"))) as opened:
        rows = list(traffic.ledger(2_500, days=3.0))
        traffic.write(opened, rows)
        traffic.judge(opened, rows, share=0.2)
        catch_up(opened, NOW)
        yield opened


def _store(folder: Path) -> sqlite3.Connection:
    store = config.Store(path=str(folder / "farthing.db"))
    database.prepare(store)
    return database.connect(store)


def _view(**query: str) -> View:
    return read_view({"range": "7d", **query}, NOW)


def _figures(connection: sqlite3.Connection, name: str, **query: str) -> list[dict[str, Any]]:
    figures = Site(connection).panel(name, _view(**query), NO_FACTS).figures
    return [dict(zip(figures.columns, values, strict=True)) for values in figures.rows]


def _one(connection: sqlite3.Connection, sql: str, *values: object) -> Any:
    return connection.execute(sql, values).fetchone()


@pytest.mark.parametrize("query", [{}, {"endpoint": "faq"}, {"tenant": "acme", "tier": "cheap"}, {"endpoint": "nobody"}])
def test_the_account_adds_up_to_the_picodollar(connection: sqlite3.Connection, query: dict[str, str]) -> None:
    reader = Reader(connection, _view(**query))
    found = account.savings(reader)
    where = " AND ".join(f"{'model_tier' if name == 'tier' else name} = '{value}'" for name, value in query.items()) or "1"
    both = "cost_picousd IS NOT NULL AND baseline_cost_picousd IS NOT NULL"
    baseline, cost = _one(
        connection, f"SELECT ifnull(sum(baseline_cost_picousd), 0), ifnull(sum(cost_picousd), 0) FROM requests WHERE {where} AND {both}"
    )
    judging = _one(connection, f"SELECT ifnull(sum(cost_picousd), 0) FROM judgements WHERE {where}")[0]
    assert sum(saving.saved for saving in found) == baseline - cost
    assert sum(saving.judging for saving in found) == judging
    assert baseline - sum(saving.saved - saving.judging for saving in found) == cost + judging


def test_the_waterfall_ends_at_what_was_paid(connection: sqlite3.Connection) -> None:
    panel = Site(connection).panel("account", _view(), NO_FACTS)
    chart = next(block for block in panel.blocks if isinstance(block, Waterfall))
    figures = {name: usd for name, usd, *_ in panel.figures.rows}
    assert chart.start == figures["baseline"]
    assert chart.end == pytest.approx(figures["paid"], abs=1e-9)
    cache = next(step for step in chart.steps if step.name == "cache")
    assert cache.low is not None
    assert cache.low < cache.saved < (cache.high or 0)


def test_savings_that_no_account_explains_are_said_to_be_so(tmp_path: Path) -> None:
    with closing(_store(tmp_path)) as connection:
        traffic.write(connection, [row("old", received_at=NOW - 60, cost_picousd=2, baseline_cost_picousd=10)])
        catch_up(connection, NOW)
        assert [(saving.lever, saving.saved) for saving in account.savings(Reader(connection, _view()))] == [("not attributed", 8)]


def test_money_beyond_64_bits_is_exact(tmp_path: Path) -> None:
    with closing(_store(tmp_path)) as connection:
        days = [NOW - 60 - day * DAY for day in range(5)]
        traffic.write(connection, [row(f"r{day}", received_at=day, cost_picousd=2**62, baseline_cost_picousd=2**62 + 1) for day in days])
        catch_up(connection, NOW)
        assert Reader(connection, _view()).total(("cost", "baseline")) == {"cost": 5 * 2**62, "baseline": 5 * 2**62 + 5}


def test_cost_per_1k_is_that_of_the_ledger(connection: sqlite3.Connection) -> None:
    for line in _figures(connection, "cost"):
        if line["tier"] in ("cheap", "expensive"):
            sql = "SELECT count(*), avg(cost_picousd) / 1e9 FROM requests WHERE endpoint = ? AND model_tier = ? AND baseline_cost_picousd IS NOT NULL"
            requests, per_1k = _one(connection, sql, line["endpoint"], line["tier"])
            assert line["per_1k_usd"] == pytest.approx(per_1k)
            assert line["requests"] >= requests


def test_quantiles_are_within_two_percent_of_the_ledger_s(connection: sqlite3.Connection) -> None:
    lines = [line for line in _figures(connection, "speed") if line["tier"] == "cheap"]
    assert lines
    for line in lines:
        sql = "SELECT latency_total_ms FROM requests WHERE endpoint = ? AND model_tier = 'cheap' ORDER BY 1"
        values = [value for (value,) in connection.execute(sql, (line["endpoint"],))]
        for share, name in ((0.5, "p50_ms"), (0.9, "p90_ms"), (0.99, "p99_ms")):
            exact = values[-int(-share * len(values) // 1) - 1]
            assert line[name] == pytest.approx(exact, rel=0.02)


def test_the_split_adds_up_to_the_average(connection: sqlite3.Connection) -> None:
    for line in _figures(connection, "split"):
        sql = "SELECT avg(latency_total_ms) FROM requests WHERE endpoint = ? AND model_tier = ?"
        parts = sum(line[name] for name in ("gateway_ms", "queue_ms", "retrieval_ms", "first_token_ms", "rest_ms"))
        assert parts == pytest.approx(_one(connection, sql, line["endpoint"], line["tier"])[0], rel=1e-6)


def test_the_notable_are_those_of_the_ledger(connection: sqlite3.Connection) -> None:
    for query, where in (({}, "1"), ({"endpoint": "agent"}, "endpoint = 'agent'"), ({"tenant": "hooli"}, "tenant = 'hooli'")):
        lines = _figures(connection, "notable", **query)
        for name, column in (("slowest", "latency_total_ms"), ("dearest", "cost_picousd")):
            exact = connection.execute(f"SELECT request_id FROM requests WHERE {where} AND {column} > 0 ORDER BY {column} DESC LIMIT 10").fetchall()
            assert [(line["request_id"],) for line in lines if line["list"] == name] == exact


def test_quality_has_wilson_s_interval(connection: sqlite3.Connection) -> None:
    lines = _figures(connection, "quality")
    assert sum(line["verdicts"] for line in lines) == _one(connection, "SELECT count(score) FROM judgements")[0]
    for line in lines:
        assert (line["quality_low"], line["quality_high"]) == pytest.approx(wilson(line["quality"] * line["verdicts"], line["verdicts"]))
    for mean, of in ((0.0, 1), (1.0, 3), (0.5, 2), (0.97, 10_000)):
        assert quality.wilson(mean, of) == pytest.approx(wilson(mean * of, of))


def test_hits_errors_and_tokens_are_those_of_the_ledger(connection: sqlite3.Connection) -> None:
    hits = sum(line["requests"] for line in _figures(connection, "cache") if line["cache"] != "miss")
    assert hits == _one(connection, "SELECT count(*) FROM requests WHERE cache != 'miss'")[0]
    assert (
        sum(line["requests"] for line in _figures(connection, "errors")) == _one(connection, "SELECT count(*) FROM requests WHERE outcome != 'ok'")[0]
    )
    assert sum(line["tokens_in"] for line in _figures(connection, "tokens")) == _one(connection, "SELECT sum(tokens_in) FROM requests")[0]


@pytest.mark.parametrize("name", PANELS)
@pytest.mark.parametrize("query", [{}, {"range": "1h"}, {"range": "365d"}, {"endpoint": "x\" OR '1"}, {"tenant": "acme", "range": "24h"}], ids=str)
def test_every_panel_can_be_sent_whatever_the_window(connection: sqlite3.Connection, name: str, query: dict[str, str]) -> None:
    panel = Site(connection).panel(name, _view(**query), NO_FACTS)
    blocks = msgspec.json.decode(msgspec.json.encode(panel.blocks), type=list[Block])
    assert len(blocks) == len(panel.blocks)
    assert len(panel.figures.csv().splitlines()) >= len(msgspec.json.decode(panel.figures.json())) + 1
    assert all(len(values) == len(panel.figures.columns) for values in panel.figures.rows)


def test_a_panel_that_does_not_exist_says_which_do(connection: sqlite3.Connection) -> None:
    with pytest.raises(NotFound, match="account"):
        Site(connection).panel("nothing", _view(), NO_FACTS)


@pytest.mark.parametrize(
    ("query", "level", "points"),
    [
        ({"range": "1h"}, MINUTE, 61),
        ({"range": "6h"}, MINUTE, 73),
        ({"range": "24h"}, HOUR, 25),
        ({"range": "90d"}, DAY, 91),
        ({"since": "2025-11-20", "until": "2025-11-21T12:00"}, HOUR, 36),
        ({"since": "2025-01-01", "until": "2025-01-02"}, DAY, 1),  # its hours are no longer kept
        ({"since": str(NOW - 90), "until": str(NOW)}, MINUTE, 2),
    ],
)
def test_windows_are_whole_buckets_of_what_is_kept(query: dict[str, str], level: int, points: int) -> None:
    view = read_view(query, NOW)
    assert view.level == level
    assert abs(len(view.points) - points) <= 1
    assert view.since % level == view.until % level == 0


def test_a_window_of_nonsense_is_refused() -> None:
    for query in ({"range": "9y"}, {"since": "soon"}, {"since": "5", "until": "4"}, {"since": "0"}, {"since": "inf"}, {"since": "nan"}):
        with pytest.raises(InvalidRequest):
            read_view(query, NOW)


def test_a_reader_bound_to_a_tenant_cannot_ask_for_another() -> None:
    assert read_view({"tenant": "globex"}, NOW, only_tenant="acme").tenant == "acme"


def test_a_budget_is_drawn_on_at_its_pace() -> None:
    start = NOW // DAY * DAY
    budget = budgets.Budget("tenant acme", "acme", "day", int(start), int(start + DAY), used=6.0, held=0.0, limit=10.0)
    assert budget.forecast(start + DAY / 2) == pytest.approx(12.0)
    assert budget.runs_out(start + DAY / 2) == pytest.approx(start + DAY * 10 / 12)
    assert budget._replace(used=4.0).runs_out(start + DAY / 2) is None
    assert budget._replace(used=11.0).runs_out(start + DAY / 2) == start + DAY / 2
    assert budgets.window("2026-02") == (1_769_904_000, 1_769_904_000 + 28 * DAY, "month")
    assert budgets.window("2026-13") is None


def test_budgets_come_from_meters_and_limits(tmp_path: Path) -> None:
    limits = config.Limits(tenant={"acme": KeyLimits(monthly_usd=10.0), "*": KeyLimits(daily_usd=3.0)}, key=KeyLimits(daily_usd=7.0))
    facts = Facts(config.Config(limits=limits), {"key_1": KeyFacts("web", "acme", KeyLimits(daily_usd=5.0))})
    meters = {"tenant:acme:usd:2025-11": 4, "tenant:globex:usd:2025-11-25": 1, "key:key_1:usd:2025-11-25": 2, "tenant:acme:usd:2025-10": 9}
    with closing(_store(tmp_path)) as connection:
        connection.executemany("INSERT INTO meters VALUES (?,?,0,NULL,?)", [(name, usd * 10**12, NOW * 2) for name, usd in meters.items()])
        panel = budgets.panel(Reader(connection, _view()), facts)
        mine = budgets.panel(Reader(connection, _view(tenant="acme")), facts)
        assert budgets.panel(Reader(connection, _view()), NO_FACTS).blocks == []
    found = {(subject, window): (used, limit) for subject, window, used, _, limit, *_ in panel.figures.rows}
    assert found == {("tenant acme", "month"): (4.0, 10.0), ("tenant globex", "day"): (1.0, 3.0), ("key web", "day"): (2.0, 5.0)}
    assert {values[0] for values in mine.figures.rows} == {"tenant acme", "key web"}


def test_a_spreadsheet_takes_no_name_for_a_formula() -> None:
    text = Figures(("name", "usd"), [("=1+1", -2.5), ("@x", 1), ("plain, with comma", None)]).csv().decode()
    assert text.splitlines() == ["name,usd", "'=1+1,-2.5", "'@x,1", '"plain, with comma",']


def test_services_that_report_nothing_have_no_panel(connection: sqlite3.Connection) -> None:
    view = _view()
    assert Site(connection).panel("backends", view, NO_FACTS).blocks == []
    loaded = msgspec.structs.replace(NO_FACTS, loads={"gpu": Load(running=2.0)})
    assert Site(connection).panel("backends", view, loaded).figures.rows == [("gpu", 2.0, None, None, None, None, None, None)]


def test_batches_of_the_reader_s_tenant_and_how_far_they_are(tmp_path: Path) -> None:
    with closing(_store(tmp_path)) as connection:
        fields = Batch.__struct_fields__
        for batch in (
            order("batch_1", "acme", status="in_progress", created_at=NOW - 60, total=8, done=2, failed=1, resumes_at=NOW + 90),
            order("batch_2", "bolt", status="completed", created_at=NOW - 50, total=3, done=3),
            order("batch_3", "acme", status="completed", created_at=NOW - 40 * 86_400.0, total=3, done=3),
            order("call_1", "acme", kind="call", status="in_progress", created_at=NOW - 5, total=1),
        ):
            values = msgspec.structs.astuple(batch)
            connection.execute(f"INSERT INTO batches ({','.join(fields)}) VALUES ({','.join('?' * len(fields))})", values)
        everybody = Site(connection).panel("batches", read_view({}, NOW), NO_FACTS)
        assert [row[:7] for row in everybody.figures.rows] == [
            ("batch_2", "bolt", "/v1/chat/completions", "completed", 3, 0, 3),
            ("batch_1", "acme", "/v1/chat/completions", "in_progress", 2, 1, 8),
        ]
        assert "single calls that wait: 1" in everybody.lead
        assert "waits until" in str(everybody.blocks)
        theirs = Site(connection).panel("batches", read_view({}, NOW, only_tenant="bolt"), NO_FACTS)
        assert [row[0] for row in theirs.figures.rows] == ["batch_2"]
        assert Site(connection).panel("batches", read_view({}, NOW, only_tenant="nobody"), NO_FACTS).blocks == []
