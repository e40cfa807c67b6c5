"""Few-shot examples: how often the few that are sent are of the right kind, and what choosing costs: `python bench/shots.py`. No network, no model.

Messages of a bank's customers with one of 77 labels (banking77, ../shared/data/cache), shuffled. The endpoint's examples are the first 200 messages;
the next ones are asked. "Right" is the share of them for which a sent example has their label, where the 200 hold that label at all. A model that is
shown an example of the right label need not label rightly; one that is shown none has less to go by.
"""

import asyncio
import gzip
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench._harness import Figure, print_table, save  # noqa: E402

from farthing.brain.shots import Shots, most_like, with_examples  # noqa: E402
from farthing.config import FewShotExample  # noqa: E402
from farthing.core.request import Dialect  # noqa: E402
from farthing.models.embed import shipped  # noqa: E402
from farthing.models.tokens import TokenCounter  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "cache" / "stream_banking77.jsonl.gz"
EXAMPLES = 200


def messages(most: int) -> list[tuple[str, str]]:
    """Texts and labels, each text once."""
    with gzip.open(DATA, "rt") as lines:
        rows = {row["q"]: str(row["a"]) for row in map(json.loads, lines)}
    found = [*rows.items()]
    random.Random(1).shuffle(found)
    return found[:most]


async def figures(asked: int) -> Iterator[Figure]:
    rows = messages(EXAMPLES + asked)
    examples = tuple(FewShotExample(input=text, output=label) for text, label in rows[:EXAMPLES])
    shots = Shots(shipped(), {"e": examples})
    began_s = time.perf_counter()
    await shots.warm()
    warm_s = time.perf_counter() - began_s
    vectors = await shots.vectors([one.input for one in examples])
    known = {one.output for one in examples}
    tried = [(text, label) for text, label in rows[EXAMPLES:] if label in known]
    lines, draw, spent = list[Figure](), random.Random(3), list[float]()
    for keep in (2, 4, 8):
        right, blind = list[bool](), list[bool]()
        for text, label in tried:
            wanted = (await shots.vectors([text]))[0]
            began_s = time.perf_counter()
            chosen = most_like(vectors, wanted, keep)
            spent.append(time.perf_counter() - began_s)
            right.append(any(examples[place].output == label for place in chosen))
            blind.append(any(one.output == label for one in draw.sample(examples, keep)))
        note = f"{keep} at random: {100 * mean(blind):.1f}; {len(tried)} messages, {len(known)} labels"
        lines.append(Figure(f"{keep} of {EXAMPLES} examples: one of the right label among them", 100 * mean(right), "%", None, note=note))
    counter = TokenCounter()
    tokens = [counter.count(one.input, "gpt-4o") + counter.count(one.output, "gpt-4o") for one in examples]
    lines.append(Figure("tokens of all examples, of which 4 are sent", float(sum(tokens)), "", None, note=f"4 of them: {4 * mean(tokens):.0f}"))
    lines.append(Figure("choosing, without the embedding of the input", 1000 * mean(spent), "ms", 1))
    lines.append(Figure("embedding the examples, once", 1000 * warm_s / EXAMPLES, "ms each", None))
    body = json.dumps({"messages": [{"role": "user", "content": "x" * 500}]}).encode()
    began_s = time.perf_counter()
    for _ in range(200):
        with_examples(Dialect.CHAT, body, examples[:4])
    lines.append(Figure("putting four into a body", (time.perf_counter() - began_s) / 200 * 1000, "ms", 1))
    return iter(lines)


def main() -> None:
    if not DATA.exists():
        print(f"no messages at {DATA}: nothing to choose examples for")
        return
    found = list(asyncio.run(figures(40 if "--small" in sys.argv else 600)))
    save("shots", found, None)
    print_table("Few-shot examples", found)


if __name__ == "__main__":
    main()
