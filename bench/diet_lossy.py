"""What the lossy diet keeps of answers, and what it takes: `python bench/diet_lossy.py`. No network, no model.

extract: a question's context is the ten best passages of the mixed index by reciprocal ranks, as an application would send it, best first, and again
in an order that says nothing; "kept" is the share of answers that still stand in it, word for word, of those that stood in it before. Beside it what
cutting off the end keeps, in the middle of a sentence as it may come, and at the last whole one; goals are those for retrieval
(`../shared/design/retrieval.md`). Questions are the first of each set; the few numbers of the rule were chosen on the last ones. Processor time,
since machines are busy.
history: conversations of xquad, twelve paragraphs told one after the other; the last question asks something about an earlier one; "kept" is the
share of answers that still stand in the prompt. Beside it the same number of tokens of the latest turns.
results: an agent's eight results of forty records each, of which later turns name one or none.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import _rag  # noqa: E402
from _harness import Figure, print_table, save  # noqa: E402
from farthing.brain.diet.lossy import LossyLever  # noqa: E402
from farthing.brain.diet.lossy.extract import extract  # noqa: E402
from farthing.brain.reading.sentences import sentence_spans  # noqa: E402
from farthing.config import Lossy  # noqa: E402
from farthing.core.request import Dialect  # noqa: E402
from farthing.models.tokens import TokenCounter  # noqa: E402
from farthing.wire.patch import patch  # noqa: E402

SETS = ("nq_oracle", "xquad_en", "hotpot500")
GOALS = {2: 96.5, 3: 94.0, 5: 88.0}  # percent, mean over the three sets
COUNTER = TokenCounter()


def count(text: str) -> int:
    return COUNTER.count(text, "gpt-4o")


def contexts(found: _rag.RagSet, name: str, most: int) -> Iterator[tuple[_rag.Asked, list[str]]]:
    for one in _rag.questions(name)[:most]:
        best = found.index.candidates(found.index.question(one.text, one.vector)).rows[:10]
        texts = [f"{found.shelf.held[row].heading}\n{found.shelf.held[row].text}" for row in best]
        if not one.yes_or_no and _rag.holds("\n\n".join(texts), one.answers):
            yield one, texts


def cut_off(texts: list[str], chars: float) -> str:
    return "\n\n".join(texts)[: int(chars)]


def cut_off_whole(texts: list[str], chars: float) -> str:
    """The same, but no sentence is parted."""
    whole = "\n\n".join(texts)
    return whole[: max((end for _, end in sentence_spans(whole) if end <= chars), default=0)]


def extraction(most: int) -> Iterator[Figure]:
    found = _rag.load(*_rag.MIXED)
    kept: dict[tuple[str, int, str], list[bool]] = {}
    shares: dict[int, list[float]] = {}
    spent: list[float] = []
    for name in SETS:
        for one, texts in contexts(found, name, most):
            mixed = texts[:]
            random.Random(one.id).shuffle(mixed)
            for factor in GOALS:
                for order, some in (("best first", texts), ("any order", mixed)):
                    whole = "\n\n".join(some)
                    began_s = time.process_time()
                    made = extract([whole], one.text, int(len(whole) / 4 / factor), 4.0)[0]
                    spent.append(time.process_time() - began_s)
                    shares.setdefault(factor, []).append(len(made) / len(whole))
                    kept.setdefault((name, factor, order), []).append(_rag.holds(made, one.answers))
                    kept.setdefault((name, factor, f"{order}, cut off"), []).append(_rag.holds(cut_off(some, len(whole) / factor), one.answers))
                    kept.setdefault((name, factor, f"{order}, cut whole"), []).append(
                        _rag.holds(cut_off_whole(some, len(whole) / factor), one.answers)
                    )
    for factor, goal in GOALS.items():
        got = [100 * mean(kept[name, factor, "best first"]) for name in SETS]
        beside = [100 * mean(kept[name, factor, "best first, cut off"]) for name in SETS]
        parted = [100 * mean(kept[name, factor, "best first, cut whole"]) for name in SETS]
        columns = zip(SETS, got, beside, parted, strict=True)
        note = "; ".join(f"{name} {one:.1f} (cut off: {two:.1f}, at a sentence's end: {three:.1f})" for name, one, two, three in columns)
        yield Figure(f"extract at {factor}x, answers kept, mean", mean(got), "%", goal, at_most=False, note=note)
        worst = min(one - other for one, other in zip(got, beside, strict=True))
        yield Figure(f"extract at {factor}x, set where it gains least over cutting off", worst, "points", 0, at_most=False)
        loose = [100 * mean(kept[name, factor, "any order"]) for name in SETS]
        flat = 100 * mean(mean(kept[name, factor, "any order, cut off"]) for name in SETS)
        yield Figure(f"extract at {factor}x, passages in any order", mean(loose), "%", None, note=f"cut off: {flat:.1f}")
        yield Figure(f"extract at {factor}x, what is left", 100 * mean(shares[factor]), "%", None)
    yield Figure("extract, time for a context of ten passages", 1000 * mean(spent), "ms", None)


def conversations(most: int) -> Iterator[tuple[list[dict[str, str]], _rag.Asked]]:
    """Twelve paragraphs, each told on a question about it; then another question about one of the first eight."""
    corpus = {row["id"]: row["text"] for row in _rag.rows(_rag.DATA / "xquad_en" / "corpus.jsonl")}
    by_text: dict[str, list[_rag.Asked]] = {}
    for one in _rag.questions("xquad_en"):
        by_text.setdefault(next(iter(one.gold)), []).append(one)
    names = [name for name, asked in by_text.items() if len(asked) > 1]
    draw = random.Random(5)
    for _ in range(most):
        some = draw.sample(names, 12)
        talk: list[dict[str, str]] = []
        for name in some:
            talk += [{"role": "user", "content": by_text[name][0].text}, {"role": "assistant", "content": corpus[name]}]
        asked = draw.choice(by_text[draw.choice(some[:8])][1:])
        yield [*talk, {"role": "user", "content": asked.text}], asked


def history(most: int) -> Iterator[Figure]:
    lever = LossyLever(Lossy(rules=("history",), history_tokens=700, keep_turns=2))
    kept, latest, shares = list[bool](), list[bool](), list[float]()
    for talk, asked in conversations(most):
        body = json.dumps({"messages": talk}).encode()
        after = json.loads(patch(body, lever.apply(Dialect.CHAT, body, count).fields))["messages"]
        said = "\n".join(one["content"] for one in after)
        kept.append(_rag.holds(said, asked.answers))
        shares.append(count(said) / count("\n".join(one["content"] for one in talk)))
        tail: list[str] = []
        for one in reversed(talk):
            if count("\n".join([*tail, one["content"]])) > count(said):
                break
            tail.append(one["content"])
        latest.append(_rag.holds("\n".join(tail), asked.answers))
    note = f"latest turns of as many tokens: {100 * mean(latest):.1f}; {100 * mean(shares):.0f} % of the tokens are left"
    yield Figure("history, answers kept", 100 * mean(kept), "%", None, note=note)


def agent() -> bytes:
    talk: list[dict[str, object]] = [{"role": "user", "content": "Which of our customers in Delft is late with a payment?"}]
    for page in range(8):
        call = {"id": f"c{page}", "type": "function", "function": {"name": "list", "arguments": json.dumps({"page": page})}}
        records = [
            {"id": f"C-{page}{row:02}", "town": ("Delft", "Ghent")[row % 2], "due": row * 7 % 31, "email": f"c{page}{row}@x.example"}
            for row in range(40)
        ]
        talk += [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{page}", "content": json.dumps(records)},
        ]
    talk += [{"role": "assistant", "content": "C-207 is late."}, {"role": "user", "content": "Write to C-207."}]
    return json.dumps({"messages": talk}).encode()


def results() -> Iterator[Figure]:
    body = agent()
    cut = LossyLever(Lossy(rules=("results",))).apply(Dialect.CHAT, body, count)
    before = sum(count(one["content"] or "") for one in json.loads(body)["messages"])
    after = patch(body, cut.fields).decode()
    yield Figure("results, tokens taken from an agent's eight results", 100 * cut.saved_tokens / before, "%", None, note=f"{before} tokens before")
    yield Figure("results, the record that is named later stays", float("C-207@" in after or '\\"C-207\\"' in after), "", 1, at_most=False)
    yield Figure(
        "all rules on that body",
        best_ms(lambda: LossyLever(Lossy(rules=("extract", "history", "results"))).apply(Dialect.CHAT, body, count)),
        "ms",
        None,
    )


def best_ms(act: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(7):
        began_s = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - began_s)
    return best * 1000


def main() -> None:
    small = "--small" in sys.argv
    found = list(results())
    if _rag.DATA.exists():
        found += [*extraction(20 if small else 250), *history(20 if small else 200)]
    else:
        print(f"no retrieval data at {_rag.DATA}: extract and history left out")
    save("diet_lossy", found, None)
    print_table("Lossy diet", found)


if __name__ == "__main__":
    main()
