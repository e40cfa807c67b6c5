"""A thousand real prompts with the real SDK through the whole gateway: every answer is the recorded one, byte for byte, and priced."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from farthing.config import Service
from farthing.core.clock import SystemClock
from farthing.models.prices import PriceBook
from farthing.models.recorded import RecordedBackend
from tests.fakes.figures import figure
from tests.fakes.gateway import Gateway

ROOT = Path(__file__).parent.parent.parent
ROUTING = ROOT.parent / "shared" / "data" / "routing"
EXAMPLE = ROOT / "examples" / "recorded-tiers.toml"
TIERS = {"farthing/cheap": "gpt-4o-mini-2024-07-18", "farthing/expensive": "claude-3-5-haiku-20241022"}
CALLERS = 16

pytestmark = pytest.mark.skipif(not ROUTING.exists(), reason="../shared/data/routing is not here")


@pytest.fixture(scope="module")
def prompts() -> list[str]:
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(ROUTING / "zeroeval.prompts.parquet", columns=["prompt"])["prompt"].to_pylist()[:1000]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    config = re.sub(r'"\.\./shared/data/routing/', f'"{ROUTING}/', EXAMPLE.read_text())
    with Gateway(config) as running:
        yield running


async def _ask(client: AsyncOpenAI, model: str, prompt: str, streaming: bool) -> str:
    messages = [{"role": "user", "content": prompt}]
    if not streaming:
        answer = await client.chat.completions.create(model=model, messages=messages)  # pyright: ignore[reportArgumentType]
        return answer.choices[0].message.content or ""
    chunks = await client.chat.completions.create(model=model, messages=messages, stream=True)  # pyright: ignore[reportArgumentType]
    return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])


async def _send_all(gateway: Gateway, prompts: list[str]) -> list[tuple[str, str, str]]:
    todo = iter(enumerate(prompts))
    said: list[tuple[str, str, str]] = []

    async def caller(client: AsyncOpenAI) -> None:
        for number, prompt in todo:
            model = list(TIERS)[number % 2]
            said.append((model, prompt, await _ask(client, model, prompt, number % 10 < 2)))

    async with AsyncOpenAI(base_url=f"{gateway.base_url}/v1", api_key="unused") as client:
        await asyncio.gather(*(caller(client) for _ in range(CALLERS)))
    return said


async def _recorded(said: list[tuple[str, str, str]]) -> list[str]:
    paths = tuple(str(ROUTING / f"zeroeval.{part}.parquet") for part in ("prompts", "cheap_responses"))
    backend = RecordedBackend(Service(dialect="recorded", recordings=paths), clock=SystemClock())
    found = [await backend.find(TIERS[model], "", prompt) for model, prompt, _ in said]
    return [recording.answer for recording in found if recording is not None]


def test_a_thousand_recorded_answers(gateway: Gateway, prompts: list[str], tmp_path: Path) -> None:
    said = asyncio.run(_send_all(gateway, prompts))
    assert [answer for _, _, answer in said] == asyncio.run(_recorded(said))
    rows = gateway.rows()
    assert len(rows) == 1000
    assert {row["outcome"] for row in rows} == {"ok"}
    prices = PriceBook({}, cache_dir=tmp_path)
    for row in rows:
        rate = prices.rate("zeroeval", row["model_name"])
        assert rate is not None
        cost_usd = row["tokens_in"] * rate.input_usd_per_mtok + row["tokens_out"] * rate.output_usd_per_mtok
        assert row["cost_picousd"] == cost_usd * 10**6
    figure(
        "recorded",
        f"{len(said)} of {len(prompts)} answers through the openai SDK are the recorded ones, {sum(r['cost_picousd'] for r in rows) / 1e12} USD",
    )
