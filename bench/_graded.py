"""Graded answers of many models to the same prompts, as logged calls: `../shared/data/routing`, read in place.

The sets hold characters, not tokens; four characters are taken for a token, for every model alike. There are no times: prompts come a second apart.
"""

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from farthing.core.request import Turn
from farthing.lab.logs.base import LoggedCall

DATA = Path(os.environ.get("FARTHING_ROUTING_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data" / "routing"))
START_S = 1_760_000_000.0
CHARS_PER_TOKEN = 4
# USD per million tokens, as their makers listed them when the answers were collected.
PRICES = {
    "gpt-4o-2024-08-06": ("2.5", "10"),
    "gpt-4o-2024-05-13": ("5", "15"),
    "gpt-4o-mini-2024-07-18": ("0.15", "0.6"),
    "claude-3-5-sonnet-20241022": ("3", "15"),
    "claude-3-haiku-20240307": ("0.25", "1.25"),
    "Meta-Llama-3.1-8B-Instruct": ("0.05", "0.08"),
}


def there(name: str) -> bool:
    return (DATA / f"{name}.prompts.parquet").exists()


def calls(name: str, model: str) -> Iterator[LoggedCall]:
    """One model's answers, in the order of the prompts, a second apart, priced and graded."""
    import pyarrow.parquet as parquet

    scores = {row["prompt_id"]: row for row in parquet.read_table(DATA / f"{name}.scores.parquet", filters=[("model", "=", model)]).to_pylist()}
    prices = tuple(map(Decimal, PRICES[model]))
    for number, asked in enumerate(parquet.read_table(DATA / f"{name}.prompts.parquet").to_pylist()):
        found = scores.get(asked["prompt_id"])
        if found is None:
            continue
        given = int(found.get("in_chars") or asked.get("sent_chars") or len(asked["prompt"])) // CHARS_PER_TOKEN
        written = int(found["out_chars"]) // CHARS_PER_TOKEN
        yield LoggedCall(
            source=f"{name}:{asked['prompt_id']}",
            model=model,
            turns=(Turn("user", asked["prompt"]),),
            request_id=asked["prompt_id"],
            endpoint=asked["group"],
            received_at=START_S + number,
            tokens_in=given,
            tokens_out=written,
            cost_usd=(given * prices[0] + written * prices[1]) / 1_000_000,
            temperature=0.0,
            score=float(found["score"]),
        )


def models_toml(*models: str) -> str:
    """Service and prices of these models."""
    rows = [f'[models."{model}"]\ninput_usd_per_mtok = {PRICES[model][0]}\noutput_usd_per_mtok = {PRICES[model][1]}\n' for model in models]
    return '[services.openai]\nbase_url = "http://127.0.0.1:1/v1"\n\n' + "\n".join(rows)


def graded(name: str) -> dict[tuple[str, str], float]:
    """Grade by prompt and model, straight from the file."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(DATA / f"{name}.scores.parquet", columns=["prompt_id", "model", "score"])
    return {(row["prompt_id"], row["model"]): float(row["score"]) for row in table.to_pylist()}
