"""Classifier: CPU per request, and how its task types agree with public sets whose kind is known.

    python bench/classify.py        needs ../shared/data and ../shared/bench; skips what is absent

The word lists were tuned by hand on the even rows of each set; the figures are of the odd ones (`--even` prints the others).
"""

import gzip
import json
import sys
import time
import timeit
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from farthing.brain.classify import classify
from farthing.core.exchange import Signals
from farthing.core.request import Dialect, Inbound, Peek, Principal, Turn
from farthing.models.tokens import TokenCounter

SHARED = Path(__file__).resolve().parent.parent / ".." / "shared"
ROUTING = SHARED / "data" / "routing"
TOKENS = TokenCounter()


def inbound(turns: Iterable[tuple[str, str]], model: str = "gpt-4o-mini") -> Inbound:
    found = tuple(Turn(role, text) for role, text in turns)
    size = sum(len(turn.text.encode()) for turn in found)
    peek = Peek(model=model, turns=found, text_bytes=size)
    return Inbound("req_bench", Dialect.CHAT, b"{}", peek, Principal(None, "default"), 0.0, 0.0)


def prompts(name: str) -> list[dict[str, str]]:
    import pyarrow.parquet as pq

    path = ROUTING / f"{name}.prompts.parquet"
    return pq.read_table(path).to_pylist() if path.exists() else []


def labelled() -> Iterator[tuple[str, frozenset[str], str]]:
    """Set, task types that are right for it, prompt."""
    kinds = {"gsm": "math", "math-l5": "math", "crux": "code", "gsm8k": "math", "mmlu": "qa", "mmlu_pro": "qa"}
    for row in prompts("zeroeval"):
        yield row["dataset"], frozenset({kinds[row["dataset"]]}), row["prompt"]
    for row in prompts("mmlu_pro"):
        if row["group"] in ("law", "history", "psychology", "philosophy", "biology"):
            yield f"mmlu_pro {row['group']}", frozenset({"qa"}), row["prompt"]
    banking = SHARED / "data" / "cache" / "stream_banking77.jsonl.gz"
    if banking.exists():
        with gzip.open(banking, "rt") as lines:
            for line in lines:
                yield "banking77", frozenset({"faq_qna"}), json.loads(line)["q"]
    policies = SHARED / "data" / "rag" / "policyqa" / "queries.jsonl"
    if policies.exists():
        with policies.open() as lines:
            for line in lines:
                yield "policyqa", frozenset({"faq_qna", "qa"}), json.loads(line)["question"]
    squad = SHARED / "data" / "rag" / "xquad_en" / "queries.jsonl"
    if squad.exists():
        with squad.open() as lines:
            for line in lines:
                yield "xquad_en", frozenset({"qa"}), json.loads(line)["question"]


def confusion() -> None:
    right: Counter[str] = Counter()
    seen: dict[str, Counter[str]] = {}
    english: Counter[str] = Counter()
    half = 0 if "--even" in sys.argv else 1
    for name, wanted, prompt in islice(labelled(), half, None, 2):
        signals = classify(inbound([("user", prompt)]), TOKENS)
        seen.setdefault(name, Counter())[signals.task] += 1
        right[name] += signals.task in wanted
        english[name] += signals.language == "en"
    print(f"{'set':24}{'prompts':>8}{'right':>8}{'english':>8}   most frequent")
    for name, counts in seen.items():
        total = counts.total()
        most = ", ".join(f"{task} {count / total:.0%}" for task, count in counts.most_common(4))
        print(f"{name:24}{total:8}{right[name] / total:8.1%}{english[name] / total:8.1%}   {most}")


def area(pairs: list[tuple[float, bool]]) -> float:
    """Area under the ROC curve, ties counted half."""
    ranks: dict[float, list[int]] = {}
    for value, hard in pairs:
        ranks.setdefault(value, [0, 0])[hard] += 1
    easy_below, wins = 0, 0.0
    for value in sorted(ranks):
        easy, hard = ranks[value]
        wins += hard * (easy_below + easy / 2)
        easy_below += easy
    hard_all = len(pairs) - easy_below
    return wins / (easy_below * hard_all) if easy_below and hard_all else 0.5


def difficulty() -> None:
    """Does complexity tell the prompts that a cheap model gets wrong from those it gets right?"""
    import pyarrow.parquet as pq

    for name, model in (("zeroeval", "gpt-4o-mini"), ("mmlu_pro", "gemini-1.5-flash-002")):
        path = ROUTING / f"{name}.scores.parquet"
        if not path.exists():
            continue
        scores = {row["prompt_id"]: row["score"] for row in pq.read_table(path).to_pylist() if model in row["model"]}
        complexity = [(classify(inbound([("user", row["prompt"])]), TOKENS).complexity, row) for row in prompts(name)]
        pairs = [(value, scores[row["prompt_id"]] < 0.5) for value, row in complexity if row["prompt_id"] in scores]
        print(f"complexity against wrong answers of {model} on {name}: AUC {area(pairs):.3f} over {len(pairs)} prompts (0.5 is chance)")


def risky() -> None:
    """Share of professional questions that are seen as such."""
    for subject in ("law", "health", "math", "physics"):
        rows = [row for row in prompts("mmlu_pro") if row["group"] == subject]
        signals: list[Signals] = [classify(inbound([("user", row["prompt"])]), TOKENS) for row in rows]
        if signals:
            high = sum(signal.risk == "high" for signal in signals) / len(signals)
            some = sum(signal.risk != "low" for signal in signals) / len(signals)
            print(f"risk on mmlu_pro {subject}: high {high:.0%}, medium or high {some:.0%}")


def cost() -> None:
    body = SHARED / "bench" / "body.json"
    cases: list[tuple[str, Inbound]] = [("one line", inbound([("user", "What is the capital of France?")]))]
    if body.exists():
        turns = [(message["role"], message["content"]) for message in json.loads(body.read_text())["messages"]]
        cases += [("body.json", inbound(turns)), ("body.json, farthing/auto", inbound(turns, "farthing/auto"))]
    words = "The quick brown fox explains why our policy must not change between March and June. "
    cases += [(f"{size} KB", inbound([("user", (words * (size * 13))[: size * 1024])])) for size in (4, 100, 1024)]
    cases += [
        ("100 turns of 1 KB", inbound([("user", words * 12)] * 100)),
        ("100 KB Chinese", inbound([("user", "为什么我们的政策不能改变？" * 2600)])),
    ]
    for name, request in cases:
        best = min(timeit.repeat(partial(classify, request, TOKENS), timer=time.process_time, number=300, repeat=7)) / 300
        print(f"classify {name:28}{best * 1e6:8.1f} us")


if __name__ == "__main__":
    cost()
    if "--cost" not in sys.argv:
        confusion()
        risky()
        difficulty()
