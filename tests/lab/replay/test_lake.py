"""Parquet by tenant on DuckDB: the same figures as the plain replay of the same calls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest

from farthing.assemble import build_house
from farthing.core.errors import ConfigError
from farthing.lab.logs.base import LoggedCall
from farthing.lab.replay.figures import figures
from farthing.lab.replay.lake import Lake, replay_lake
from farthing.lab.replay.run import Plan
from tests.lab.replay.logs import config, run
from tests.lab.replay.test_replay import mixed

PLAN = Plan((("config 1", config()),), build_house)


def row(call: LoggedCall) -> dict[str, Any]:
    return {
        "id": call.request_id,
        "run_id": call.run_id,
        "model": call.model,
        "messages": [{"role": turn.role, "content": turn.text} for turn in call.turns],
        "temperature": call.temperature,
        "response": call.answer,
        "finish_reason": call.finish,
        "timestamp": call.received_at,
        "latency_s": call.latency_s,
        "prompt_tokens": call.tokens_in,
        "completion_tokens": call.tokens_out,
        "cost_usd": float(call.cost_usd or 0),
        "score": call.score,
    }


def lay(calls: Sequence[LoggedCall], place: Path) -> Path:
    """A file per tenant and half of the log, the halves the wrong way round, no tenant in the rows."""
    for tenant in sorted({call.tenant or "" for call in calls}):
        own = [row(call) for call in calls if call.tenant == tenant]
        folder = place / f"tenant={tenant}"
        folder.mkdir(parents=True)
        parquet.write_table(arrow.Table.from_pylist(own[len(own) // 2 :]), folder / "a.parquet")
        parquet.write_table(arrow.Table.from_pylist(own[: len(own) // 2]), folder / "b.parquet")
    return place


def test_tenants_on_duckdb_add_up_to_the_plain_replay(tmp_path: Path) -> None:
    calls = mixed()
    lake = Lake([lay(calls, tmp_path / "lake")])
    found, plain = replay_lake(lake, PLAN), run(calls)
    assert list(lake.notes()) == []
    assert len(found.requests.ids) == len(calls)
    for one, other in zip(figures(found), figures(plain), strict=True):
        assert (one.cost_usd, one.latency, one.cache, one.tiers, one.basis) == (other.cost_usd, other.latency, other.cache, other.tiers, other.basis)
        assert one.quality is not None
        assert other.quality is not None
        assert one.quality.mean == other.quality.mean


def test_every_request_fares_as_it_does_in_the_plain_replay(tmp_path: Path) -> None:
    calls = mixed(120)
    found, plain = replay_lake(Lake([lay(calls, tmp_path / "lake")]), PLAN), run(calls)
    costs = [dict(zip(each.requests.ids, each.lanes[1].columns.cost, strict=True)) for each in (found, plain)]
    assert costs[0] == costs[1]


def test_what_is_no_parquet_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="DuckDB cannot read"):
        Lake([tmp_path / "bad.parquet"])
    with pytest.raises(ConfigError, match="No Parquet file"):
        Lake([Path(__file__)])
    with pytest.raises(ConfigError, match="There is no"):
        Lake([tmp_path / "nowhere"])


def test_tables_without_calls_are_said_so(tmp_path: Path) -> None:
    parquet.write_table(arrow.Table.from_pylist([{"colour": "red"}]), tmp_path / "x.parquet")
    with pytest.raises(ConfigError, match="No model call"):
        replay_lake(Lake([tmp_path]), PLAN)
