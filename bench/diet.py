"""What the exact diet saves on real texts, that nothing is lost by it, and how long it takes: `python bench/diet.py`.

JSON: flat records of a shop, indented and as `json.dumps` writes them, text-heavy ones of a retrieval corpus; nested: the JSON files of the Python
packages of this environment, and their descriptions as Markdown. Policies: the paragraphs of one site's privacy policy after another.
The goals were measured on other data. So the plain rules that they were measured with run beside ours, on the same texts: Python's csv module for
records; for Markdown patterns that take out comments, badges and pictures, front matter and tags, whatever is in them.
"""

import csv
import importlib.metadata
import io
import json
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from _harness import ROOT, Figure, print_table, save
from farthing.brain.diet import DietLever
from farthing.brain.diet.base import Part
from farthing.brain.diet.repeats import Seen
from farthing.config import Diet
from farthing.models.tokens import TokenCounter

PACKAGES = Path(msgspec.__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "rag"
COUNTER = TokenCounter()
MODEL = "gpt-4o"
EVERY = Diet().rules
EIGHT_K = 8000


def count(text: str) -> int:
    return COUNTER.count(text, MODEL)


def rows(path: Path, most: int) -> list[dict[str, Any]]:
    with path.open() as lines:
        return [json.loads(line) for line, _ in zip(lines, range(most), strict=False)]


def saved_percent(texts: list[str], part: Part, rules: tuple[str, ...] = EVERY) -> float:
    lever = DietLever(Diet(rules=rules))  # type: ignore[arg-type]
    before = after = 0
    for text in texts:
        trimmed, _ = lever.trim_text(text, part, Seen(), count)
        before, after = before + count(text), after + count(trimmed)
        assert count(trimmed) <= count(text)
    return 100 * (1 - after / before)


def _value(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError:
        return None


def markdown_texts() -> list[str]:
    found = [str(package.metadata.get_payload() or package.metadata.get("Description") or "") for package in importlib.metadata.distributions()]
    return [text for text in found if text.count("\n#") >= 3][:60]


PLAIN_MARKDOWN = (r"\A---\n.*?\n---\n", r"<!--.*?-->", r"\[?!\[[^\]]*\]\([^)]*\)(?:\]\([^)]*\))?", r"</?[a-zA-Z][^>\n]*>")


def plain_markdown(text: str) -> str:
    for pattern in PLAIN_MARKDOWN:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return text


def plain_csv(records: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(records[0])
    writer.writerows([str(cell).lower() if isinstance(cell, bool) else cell for cell in record.values()] for record in records)
    return out.getvalue().rstrip("\n")


def less_percent(before: list[str], after: list[str]) -> float:
    return 100 * (1 - sum(map(count, after)) / sum(map(count, before)))


def other_records() -> dict[str, list[dict[str, Any]]]:
    """Records of other shapes, as interfaces give them."""
    draw = random.Random(1)
    names = ("anna", "ben", "carla", "david", "eva", "finn")
    users = [
        {
            "id": n,
            "name": draw.choice(names),
            "email": f"{draw.choice(names)}{n}@example.com",
            "age": draw.randint(18, 80),
            "active": draw.random() < 0.5,
        }
        for n in range(200)
    ]
    orders = [
        {"order_id": 10_000 + n, "customer_id": draw.randint(100, 999), "product": draw.choice(("lamp", "chair")), "quantity": draw.randint(1, 9)}
        for n in range(200)
    ]
    metrics = [{"requests": draw.randint(100, 9999), "errors": draw.randint(0, 99), "latency_ms": draw.randint(10, 500)} for _ in range(200)]
    return {"users": users, "orders": orders, "metrics": metrics}


def figures() -> Iterator[Figure]:
    nested = [value for path in sorted(PACKAGES.glob("**/*.json")) if path.stat().st_size < 60_000 and (value := _value(path))][:80]
    flat = [
        [{"id": n, "price": n * 1.25, "in_stock": n % 3 == 0, "sku": f"SKU-{n:05d}", "warehouse": "berlin"} for n in range(s, s + 40)]
        for s in range(9)
    ]
    yield Figure("nested JSON, indented", saved_percent([json.dumps(one, indent=2) for one in nested], "tool", ("json",)), "%", 31, at_most=False)
    yield Figure("nested JSON, json.dumps", saved_percent([json.dumps(one) for one in nested], "tool", ("json",)), "%", None)
    yield Figure(
        "flat records, indented, to minified", saved_percent([json.dumps(one, indent=2) for one in flat], "tool", ("json",)), "%", 31, at_most=False
    )
    yield Figure("flat records, json.dumps, to minified", saved_percent([json.dumps(one) for one in flat], "tool", ("json",)), "%", 18, at_most=False)
    minified = [json.dumps(one, separators=(",", ":")) for one in flat]
    plain = less_percent(minified, [plain_csv(one) for one in flat])
    note = f"the csv module on the same: {plain:.1f} %"
    yield Figure("flat records, minified, to CSV", saved_percent(minified, "tool", ("csv",)), "%", 46, at_most=False, note=note)
    for name, records in other_records().items():
        small = [json.dumps(records, separators=(",", ":"))]
        note = f"the csv module on the same: {less_percent(small, [plain_csv(records)]):.1f} %"
        yield Figure(f"records of {name}, minified, to CSV", saved_percent(small, "tool", ("csv",)), "%", None, note=note)
    texts = markdown_texts()
    note = f"plain rules on the same, pictures included: {less_percent(texts, [plain_markdown(text) for text in texts]):.1f} %"
    yield Figure("Markdown of packages", saved_percent(texts, "documents", ("markdown",)), "%", 5.6, at_most=False, note=note)
    if DATA.exists():
        corpus = rows(DATA / "policyqa" / "corpus.jsonl", 2000)
        text_rows = [json.dumps(corpus[at : at + 8], separators=(",", ":")) for at in range(0, 400, 8)]
        yield Figure("text-heavy records, minified, to CSV", saved_percent(text_rows, "tool", ("csv",)), "%", None)
        sites: dict[str, list[str]] = {}
        for one in corpus:
            sites.setdefault(one["title"], []).append(one["text"])
        policies = ["\n\n".join(texts) for texts in sites.values()]
        yield Figure("policies, repeated paragraphs", saved_percent(policies, "documents", ("duplicates",)), "%", None)
    else:
        print(f"no retrieval data at {DATA}: two figures left out")
    yield from speed()


def speed() -> Iterator[Figure]:
    """8k tokens of system prompt, tool results and documents, as one body would have them."""
    lever = DietLever(Diet())
    records = json.dumps([{"id": n, "name": f"Item number {n}", "price": n * 1.25, "tags": ["a", "b"]} for n in range(90)])
    prose = (f"Refunds are given within thirty days of purchase, for unused goods. Ask the desk for the form {n}.\n\n" for n in range(10_000))
    text = records + "\n\n"
    while count(text) < EIGHT_K:
        text += "".join(next(prose) for _ in range(5))
    counted = _best_ms(lambda: count(text))
    yield Figure("tokens of the text", float(count(text)), "", None)
    yield Figure("one token count of it", counted, "ms", None)
    yield Figure("the diet of it, counts included", _best_ms(lambda: lever.trim_text(text, "documents", Seen(), count)), "ms", 5)


def _best_ms(act: Any) -> float:
    best = float("inf")
    for _ in range(15):
        started = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - started)
    return best * 1000


def main() -> None:
    found = list(figures())
    save("diet", found, None)
    print_table("Exact diet", found)


if __name__ == "__main__":
    main()
