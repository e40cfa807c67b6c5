"""The shipped recordings and examples: every request of the sample has its answer in both tiers, at a known price."""

import asyncio
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing.config import Config, Service
from farthing.core.clock import SystemClock
from farthing.models.prices import PriceBook
from farthing.models.recorded import RecordedBackend
from farthing.models.recordings import Recording
from farthing.settings.environment import sample

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT / "src" / "farthing" / "data"
ROUTING = ROOT.parent / "shared" / "data" / "routing"


@pytest.fixture(scope="module")
def exchanges() -> list[Recording]:
    return [msgspec.json.decode(line, type=Recording) for line in (DATA / "sample_exchanges.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def requests() -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (DATA / "sample_traffic.jsonl").read_bytes().splitlines()]


def test_every_request_has_its_answer_in_both_tiers(requests: list[dict[str, Any]]) -> None:
    service, tiers = sample()
    models = [name.partition("/")[2] for name in (*tiers.cheap, *tiers.expensive)]

    async def missing() -> list[str]:
        backend = RecordedBackend(service, clock=SystemClock())
        prompts = {request["body"]["messages"][-1]["content"] for request in requests}
        return [prompt for prompt in prompts for model in models if await backend.find(model, "", prompt) is None]

    assert len(models) == 2
    assert asyncio.run(missing()) == []


def test_both_tiers_have_a_price(tmp_path: Path) -> None:
    service, tiers = sample()
    prices = PriceBook({}, cache_dir=tmp_path)
    cheap, expensive = (prices.rate("recorded", names[0].partition("/")[2]) for names in (tiers.cheap, tiers.expensive))
    assert service.dialect == "recorded"
    assert cheap is not None
    assert expensive is not None
    assert cheap.output_usd_per_mtok < expensive.output_usd_per_mtok


def test_each_question_has_two_graded_answers(exchanges: list[Recording]) -> None:
    answers = Counter(exchange.prompt for exchange in exchanges)
    assert set(answers.values()) == {2}
    assert all(exchange.answer and exchange.score in (0, 1) for exchange in exchanges)


def test_traffic_is_mixed_and_repeats(requests: list[dict[str, Any]]) -> None:
    bodies = Counter(msgspec.json.encode(request["body"]) for request in requests)
    assert len(requests) == 300
    assert {request["headers"]["x-farthing-endpoint"] for request in requests} == {"homework", "code", "contest"}
    assert {request["body"]["model"] for request in requests} == {"farthing/auto"}
    assert 50 < sum(request["body"].get("stream", False) for request in requests) < 250
    assert 100 < sum("temperature" in request["body"] for request in requests) < 250
    assert 60 < sum(count - 1 for count in bodies.values()) < 200
    assert len({request["headers"]["x-farthing-run"] for request in requests}) < 250


def test_sample_is_small_and_says_where_it_comes_from() -> None:
    assert sum((DATA / f"sample_{name}.jsonl").stat().st_size for name in ("exchanges", "traffic")) <= 300_000
    notice = (DATA / "NOTICE").read_text()
    assert all(path.name in notice for path in DATA.iterdir() if path.suffix in (".jsonl", ".ranks"))


def test_example_with_recorded_tiers_is_a_configuration() -> None:
    config = msgspec.convert(tomllib.loads((ROOT / "examples" / "recorded-tiers.toml").read_text()), Config)
    assert config.services["zeroeval"] == Service(
        dialect="recorded",
        recordings=("../shared/data/routing/zeroeval.prompts.parquet", "../shared/data/routing/zeroeval.cheap_responses.parquet"),
        models=("gpt-4o-mini*", "claude-3*", "gemini-1.5-flash", "Meta-Llama-3.1-8B-Instruct"),
    )


@pytest.mark.skipif(not ROUTING.exists(), reason="../shared/data/routing is not here")
def test_example_with_recorded_tiers_answers_in_both() -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    prompts = parquet.read_table(ROUTING / "zeroeval.prompts.parquet", columns=["prompt"])["prompt"].to_pylist()
    paths = tuple(str(ROUTING / f"zeroeval.{part}.parquet") for part in ("prompts", "cheap_responses"))

    async def found() -> int:
        backend = RecordedBackend(Service(dialect="recorded", recordings=paths), clock=SystemClock())
        models = ("gpt-4o-mini-2024-07-18", "claude-3-5-haiku-20241022")
        return sum([await backend.find(model, "", prompt) is not None for prompt in prompts[:1000] for model in models])

    assert asyncio.run(found()) == 2000
