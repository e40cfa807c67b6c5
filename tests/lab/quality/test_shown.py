"""Quality read back by endpoint, tier and lever."""

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from farthing.config import Store
from farthing.core.errors import ConfigError, StoreUnavailable
from farthing.core.judgement import Judgement
from farthing.lab.quality.shown import print_shown, read
from farthing.stores.sqlite import database
from farthing.stores.sqlite.judgements import insert

PLAIN: dict[str, Any] = {"judged_at": 100.0, "source": "judge", "endpoint": "faq", "model_tier": "cheap", "cache": "miss", "lever": "route"}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    """A store with these verdicts, each a change to `PLAIN`."""
    store = Store(path=str(path / "farthing.db"))
    database.prepare(store)
    with closing(database.connect(store)) as connection:
        for number, row in enumerate(rows):
            insert(connection, Judgement(**{**PLAIN, "request_id": f"req_{number}", **row}))
    return path / "farthing.db"


def test_each_kind_of_answer_has_its_own_line(tmp_path: Path) -> None:
    store = write(
        tmp_path,
        *({"score": 0.7, "reference_score": 0.8, "cost_picousd": 5} for _ in range(10)),
        {"score": 1.0, "reference_score": 0.5, "cache": "exact", "lever": "cache", "cost_picousd": None},
        {"label": "open", "cost_picousd": 7},
        {"source": "feedback", "score": 0.0, "lever": None, "cost_picousd": 0},
        {"source": "feedback", "score": 1.0, "lever": None, "cache": "semantic", "cost_picousd": 0},
        {"source": "feedback", "score": 1.0, "lever": None, "model_tier": "expensive", "cost_picousd": 0},
    )
    lines = {tuple(line.of.values()): line.quality for line in read(store).lines}
    assert set(lines) == {
        ("faq", "cheap", "route", "judge"), ("faq", "cheap", "cache", "judge"), ("faq", "cheap", "route", "feedback"),
        ("faq", "cheap", "cache", "feedback"), ("faq", "expensive", None, "feedback"),
    }  # fmt: skip
    routed = lines["faq", "cheap", "route", "judge"]
    assert (routed.verdicts, routed.scored, routed.mean, routed.cost_picousd) == (11, 10, pytest.approx(0.7), 57)
    assert (routed.ratio, routed.ratio_low) == (pytest.approx(0.875), pytest.approx(0.875, abs=1e-6))
    assert lines["faq", "cheap", "cache", "judge"].unpriced == 1


def test_a_window_takes_its_start_and_not_its_end(tmp_path: Path) -> None:
    store = write(tmp_path, *({"score": 1.0, "judged_at": float(at)} for at in (1, 2, 3)))
    (line,) = read(store, (), 1.0, 3.0).lines
    assert line.quality.verdicts == 2


def test_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    out = io.StringIO()
    print_shown(read(write(tmp_path)), ("endpoint",), Console(file=out, width=120), str)
    assert "quality.judge" in out.getvalue()


def test_the_table_has_figures_beside_their_intervals(tmp_path: Path) -> None:
    out = io.StringIO()
    store = write(tmp_path, *({"score": 0.5 + 0.1 * (n % 2), "reference_score": 0.8, "cost_picousd": 10**9} for n in range(20)))
    with closing(database.connect(Store(path=str(store)))) as connection:
        connection.execute("INSERT INTO quality_turns (at, endpoint, lever, phase, reason) VALUES (1.0, 'faq', 'route', 'down', 'why')")
    print_shown(read(store, ("endpoint",)), ("endpoint",), Console(file=out, width=160), str)
    text = " ".join(out.getvalue().split())
    assert "faq 20 0.550 0.342 to 0.742 20 0.687 0.659 to 0.716 0.02" in text
    assert "1.0 route on faq: down; why" in text


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no store"):
        read(tmp_path / "none.db")
    with pytest.raises(ConfigError, match="Cannot group by colour"):
        read(write(tmp_path), ("colour",))
    (tmp_path / "text.db").write_text("no database at all, but long enough to have a header " * 50)
    with pytest.raises(StoreUnavailable, match="Cannot read"):
        read(tmp_path / "text.db")
