"""What the routing benchmark works on: the graded sets, their pairs of models, list prices of the time, embeddings kept between runs."""

import os
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from _harness import ROOT, Figure
from farthing.core.usage import Rate
from farthing.lab.router.graded import Graded
from farthing.lab.router.read import read_graded, with_embeddings
from farthing.models.embed import shipped
from farthing.models.tokens import TokenCounter

DATA = Path(os.environ.get("FARTHING_ROUTING_DATA", ROOT.parent / "shared" / "data" / "routing"))
KEPT = Path(os.environ.get("FARTHING_ROUTING_CACHE", Path(tempfile.gettempdir()) / "farthing-routing"))

# USD per million tokens in and out, as listed when the answers were recorded (Llama: what hosts asked).
_LIST = {
    "gpt-4o-mini-2024-07-18": ("0.15", "0.60"),
    "gpt-4o-2024-08-06": ("2.50", "10"),
    "claude-3-haiku-20240307": ("0.25", "1.25"),
    "claude-3-5-haiku-20241022": ("0.80", "4"),
    "claude-3-5-sonnet-20241022": ("3", "15"),
    "gemini-1.5-flash": ("0.075", "0.30"),
    "gemini-1.5-pro": ("1.25", "5"),
    "gemini-1.5-flash-002": ("0.075", "0.30"),
    "gemini-1.5-pro-002": ("1.25", "5"),
    "Meta-Llama-3.1-8B-Instruct": ("0.10", "0.10"),
    "Meta-Llama-3.1-70B-Instruct": ("0.88", "0.88"),
    "Meta-Llama-3_1-8B-Instruct": ("0.10", "0.10"),
    "Meta-Llama-3_1-70B-Instruct": ("0.88", "0.88"),
    "Phi-3-mini-4k-instruct": ("0.10", "0.10"),
}
TOKENS = TokenCounter()
FLOORS = (0.95, 0.97, 0.98, 0.99)


@dataclass(frozen=True, slots=True)
class Pair:
    """A cheap model, the expensive one behind it, and a second cheap one to agree with."""

    data: str
    cheap: str
    dear: str
    second: str

    @property
    def name(self) -> str:
        return f"{self.data}: {self.cheap} -> {self.dear}"


PAIRS = (
    Pair("zeroeval", "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06", "gemini-1.5-flash"),
    Pair("zeroeval", "claude-3-haiku-20240307", "claude-3-5-sonnet-20241022", "gemini-1.5-flash"),
    Pair("zeroeval", "claude-3-5-haiku-20241022", "claude-3-5-sonnet-20241022", "gpt-4o-mini-2024-07-18"),
    Pair("zeroeval", "gemini-1.5-flash", "gemini-1.5-pro", "gpt-4o-mini-2024-07-18"),
    Pair("zeroeval", "Meta-Llama-3.1-8B-Instruct", "Meta-Llama-3.1-70B-Instruct", "gemini-1.5-flash"),
    Pair("mmlu_pro", "gemini-1.5-flash-002", "gemini-1.5-pro-002", "Meta-Llama-3_1-8B-Instruct"),
    Pair("mmlu_pro", "Meta-Llama-3_1-8B-Instruct", "Meta-Llama-3_1-70B-Instruct", "Phi-3-mini-4k-instruct"),
)


def rate(model: str) -> Rate | None:
    found = _LIST.get(model)
    return Rate(Decimal(found[0]), Decimal(found[1])) if found else None


def graded(name: str) -> Graded:
    """A set with its embeddings; ends the program when the data are not there."""
    path = DATA / f"{name}.prompts.parquet"
    if not path.exists():
        raise SystemExit(f"The graded prompts are not at {DATA}; set FARTHING_ROUTING_DATA to their folder.")
    rows, _ = read_graded(path, rate)
    return with_embeddings(rows, _embeddings(name, rows))


def _embeddings(name: str, rows: Graded) -> np.ndarray:
    """By the shipped embedder, kept in `KEPT`: 30,000 prompts take some minutes."""
    KEPT.mkdir(parents=True, exist_ok=True)
    file = KEPT / f"{name}.npy"
    if not file.exists():
        embedder = shipped()
        print(f"embedding {len(rows)} prompts of {name} ...", flush=True)
        np.save(file, np.stack([embedder.embed_now(prompt[-1].text) for prompt in rows.prompts]))
    return np.load(file)


def contaminated(name: str) -> set[str]:
    """Prompts that RouteLLM leaves out of its own figures."""
    from pyarrow import parquet

    table = parquet.read_table(DATA / f"{name}.prompts.parquet", columns=["prompt_id", "contaminated"]).to_pydict()
    return {prompt for prompt, out in zip(table["prompt_id"], table["contaminated"], strict=True) if out}


def show(figure: Figure) -> Figure:
    """One line at once; the long sections take minutes."""
    value = "none" if figure.value is None else f"{figure.value:8.3f}"
    goal = "" if figure.goal is None else f"goal {'<=' if figure.at_most else '>='} {figure.goal:g}  {'MET' if figure.met else 'MISSED'}"
    print(f"  {figure.name:<66} {value} {figure.unit:<6} {goal:<22} {figure.note}", flush=True)
    return figure
