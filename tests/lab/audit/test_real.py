"""Recorded answers to public benchmark questions as a log: figures that somebody can believe. The data lies beside the repository, or not at all."""

import random
from pathlib import Path
from typing import Any

import pytest

from farthing.lab.audit.playbook import Playbook
from farthing.lab.audit.table import summary
from tests.lab.audit.traffic import audited, call, finding, kinds

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "routing"
pytestmark = pytest.mark.skipif(not (DATA / "zeroeval.prompts.parquet").exists(), reason=f"no recorded answers at {DATA}")


def recorded(count: int, model: str = "gpt-4o-mini-2024-07-18") -> list[dict[str, Any]]:
    import pyarrow.parquet as parquet

    prompts = {row["prompt_id"]: row for row in parquet.read_table(DATA / "zeroeval.prompts.parquet").to_pylist()}
    rows = [row for row in parquet.read_table(DATA / "zeroeval.cheap_responses.parquet").to_pylist() if row["model"] == model and row["response"]]
    random.Random(1).shuffle(rows)
    found = []
    for number, row in enumerate(rows[:count]):
        prompt = prompts[row["prompt_id"]]
        messages = [("system", "Solve the task."), ("user", prompt["prompt"])]
        found.append(call(messages, row["response"], number=number, endpoint=prompt["group"], max_tokens=None, stream=True))
    return found


@pytest.fixture(scope="module")
def playbook(tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    return audited(tmp_path_factory.mktemp("real"), recorded(500))


def test_every_answer_is_priced_and_every_benchmark_an_endpoint(playbook: Playbook) -> None:
    assert (playbook.calls, playbook.priced, playbook.logs.broken) == (500, 500, 0)
    assert {line.endpoint for line in playbook.endpoints} == {"gsm", "math-l5", "crux"}
    assert float(playbook.usd) == pytest.approx(sum(float(line.usd) for line in playbook.endpoints))


def test_benchmark_questions_hold_none_of_the_waste_of_products(playbook: Playbook) -> None:
    """Each question is asked once, with no documents, history or tools; answers are no labels."""
    absent = {
        "exact_repeats",
        "retries",
        "unused_documents",
        "unreferred_history",
        "fixed_plan",
        "same_input",
        "cache_prefix",
        "few_labels",
        "batchable",
    }
    assert kinds(playbook) & absent == set()


def test_what_is_found_is_found_where_it_is(playbook: Playbook) -> None:
    """Answers to hard mathematics run long, and math is the endpoint that shows it; nothing claims more than a third of the cost with certainty."""
    assert next(iter(finding(playbook, "long_answers").endpoints)) == "math-l5"
    certain = [one for one in playbook.findings if one.certainty == "counted"]
    assert sum(one.share for one in certain) < 0.34
    assert playbook.avoidable_low_usd <= playbook.avoidable_usd <= playbook.avoidable_high_usd < playbook.usd


def test_repeating_a_third_of_them_is_seen_as_a_third(tmp_path: Path) -> None:
    first = recorded(300)
    again = [{**record, "timestamp": record["timestamp"] + 7200} for record in first[:100]]
    found = finding(audited(tmp_path, [*first, *again]), "exact_repeats")
    assert (found.calls, found.details[0]) == (100, "Hit rate of an exact cache: 25.0% of 400 calls with text.")


def test_the_summary_says_what_was_read_and_at_which_price(playbook: Playbook) -> None:
    said = "\n".join(summary(playbook))
    assert "500 calls in 1 files" in said
    assert "from the price list" in said
