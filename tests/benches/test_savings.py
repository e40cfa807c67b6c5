"""The table of savings, over a small set of made-up recordings: what the script says is what was put in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

ROOT = Path(__file__).resolve().parents[2]
CHEAP, DEAR = "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"
QUESTIONS = 24


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Every question is short, so that the cheap model is asked; it is right on three of four, the dear one always."""
    folder = tmp_path / "routing"
    folder.mkdir()
    ids = [f"p{number}" for number in range(QUESTIONS)]
    prompts = {"prompt_id": ids, "group": ["maths"] * QUESTIONS, "prompt": [f"What is {number} and {number}?" for number in range(QUESTIONS)]}
    answers = {"prompt_id": ids, "model": [CHEAP] * QUESTIONS, "response": [f"It is {2 * number}, as one sees." for number in range(QUESTIONS)]}
    scores = {
        "prompt_id": ids * 2,
        "model": [CHEAP] * QUESTIONS + [DEAR] * QUESTIONS,
        "score": [float(number % 4 != 0) for number in range(QUESTIONS)] + [1.0] * QUESTIONS,
        "out_chars": [25.0] * QUESTIONS + [100.0] * QUESTIONS,
    }
    for part, columns in {"prompts": prompts, "cheap_responses": answers, "scores": scores}.items():
        parquet.write_table(pa.table(columns), folder / f"zeroeval.{part}.parquet")
    return tmp_path


def run(data: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"FARTHING_DATA": str(data), "FARTHING_BENCH_OUT": str(out)}
    command = [sys.executable, str(ROOT / "bench" / "savings.py"), *arguments]
    return subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_table_says_what_was_put_in(data: Path, tmp_path: Path) -> None:
    done = run(data, tmp_path / "out", "--set", "zeroeval", "--repeats", "0.5")
    assert done.returncode == 0, done.stderr
    raw = json.loads((tmp_path / "out" / "savings.json").read_text())["raw"]["sets"][0]
    assert raw["questions"] == QUESTIONS
    assert raw["requests"] > QUESTIONS
    assert raw["cheap_share"] == 1.0
    assert 0 < raw["hits"] <= raw["repeats"]
    assert raw["quality_before"] == 1.0
    assert raw["quality_after"] == pytest.approx(raw["quality_kept"]["value"])
    assert 0.5 < raw["quality_after"] < 1.0
    assert sum(part["value"] for part in raw["levers"].values()) == pytest.approx(raw["saved"]["value"])
    assert raw["baseline"]["value"] - raw["cost"]["value"] == pytest.approx(raw["saved"]["value"])
    # The dear model wrote four times as much as the cheap one.
    assert raw["measured"]["value"] > 1.5 * raw["baseline"]["value"]
    assert "| **quality kept** |" in done.stdout


def test_without_data_it_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path / "out")
    assert done.returncode == 1
    assert "Skipped: zeroeval, mmlu_pro not in" in done.stderr
    assert "FARTHING_DATA" in done.stderr
