"""Recorded answers and their grades out of `../shared/data/routing`, as a service that the gateway can ask.

The data hold the texts of cheap models only. Of the dear model they hold each answer's grade and its length: its text is stood in for by the
cheap model's own words, repeated or cut to that length, so that what is counted and paid is as long as what was written. Quality never rests
on the text: it is the recorded grade of the model that answered.
"""

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from _harness import ROOT

DATA = Path(os.environ.get("FARTHING_DATA", ROOT.parent / "shared" / "data")) / "routing"


@dataclass(frozen=True, slots=True)
class Pair:
    """A set of graded prompts, and the two models that answered them."""

    name: str
    title: str
    cheap: str
    expensive: str


PAIRS = (
    Pair("zeroeval", "maths and code (ZeroEval)", "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"),
    Pair("mmlu_pro", "exam questions (MMLU-Pro)", "gemini-1.5-flash-002", "gemini-1.5-pro-002"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """One graded prompt: what the cheap model said of it, how long the dear one's answer was, and how both were graded (0 to 1)."""

    group: str
    prompt: str
    cheap_answer: str
    expensive_chars: int
    grades: dict[str, float]


def available(pair: Pair) -> bool:
    return all((DATA / f"{pair.name}.{part}.parquet").exists() for part in ("prompts", "scores", "cheap_responses"))


def questions(pair: Pair, most: int, seed: int) -> list[Question]:
    """Prompts that both models answered, in random order, at most so many. Of prompts worded alike the first counts: so it does when it is asked."""
    answers = {row["prompt_id"]: row["response"] for row in _rows(pair, "cheap_responses", "response") if row["model"] == pair.cheap}
    scores = {
        model: {row["prompt_id"]: row for row in _rows(pair, "scores", "score", "out_chars") if row["model"] == model}
        for model in (pair.cheap, pair.expensive)
    }
    found: dict[str, Question] = {}
    for row in _rows(pair, "prompts", "group", "prompt", model=False):
        graded = {model: known[row["prompt_id"]] for model, known in scores.items() if row["prompt_id"] in known}
        if len(graded) == len(scores) and answers.get(row["prompt_id"]) and graded[pair.expensive]["out_chars"]:
            grades = {model: float(known["score"]) for model, known in graded.items()}
            chars = int(graded[pair.expensive]["out_chars"])
            found.setdefault(row["prompt"].strip(), Question(str(row["group"]), row["prompt"], answers[row["prompt_id"]], chars, grades))
    chosen = list(found.values())
    random.Random(seed).shuffle(chosen)
    return chosen[:most]


def _rows(pair: Pair, part: str, *columns: str, model: bool = True) -> list[dict[str, Any]]:
    import pyarrow.parquet as parquet

    wanted = ["prompt_id", *(["model"] if model else []), *columns]
    chosen = [("model", "in", [pair.cheap, pair.expensive])] if model else None
    return parquet.read_table(DATA / f"{pair.name}.{part}.parquet", columns=wanted, filters=chosen).to_pylist()


def stand_in(text: str, chars: int) -> str:
    """So many characters in the words of this text."""
    words = text.strip() + "\n\n"
    return (words * (chars // len(words) + 1))[:chars]


def write(pair: Pair, asked: list[Question], path: Path) -> None:
    """The recordings that a service of dialect `recorded` answers from."""
    with path.open("wb") as file:
        for one in asked:
            for model, answer in ((pair.cheap, one.cheap_answer), (pair.expensive, stand_in(one.cheap_answer, one.expensive_chars))):
                file.write(msgspec.json.encode({"prompt": one.prompt, "model": model, "answer": answer}) + b"\n")


def traffic(asked: list[Question], repeats: float, seed: int) -> list[int]:
    """Which question each request asks: every one of them once, in order, and between them repeats of earlier ones, word for word.

    So large a share of all requests are repeats; which question comes back follows Zipf's law over those that were asked before, the first ones most.
    """
    draw, order = random.Random(seed), list[int]()
    weights: list[float] = []
    fresh = 0
    while fresh < len(asked):
        if fresh and draw.random() < repeats:
            order.append(draw.choices(range(fresh), cum_weights=weights)[0])
            continue
        order.append(fresh)
        fresh += 1
        weights.append((weights[-1] if weights else 0.0) + 1 / fresh)
    return order
