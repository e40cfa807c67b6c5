"""Token counting: memory, speed and error of what we ship, and of the libraries that are installed beside it.

Run: python bench/tokens.py     (pip install tiktoken bpe-openai==0.1.4 rs-bpe==0.1.0 for the rows that compare)
"""

import importlib.util
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from farthing.models.tokens import TokenCounter

HERE = Path(__file__).parent
ROUTING = HERE.parent.parent / "shared" / "data" / "routing"

PROBE = """
import json, re, sys, time, farthing.core.call
def rss_mb(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
text, runs, before, started = open(sys.argv[1]).read(), [], rss_mb(), time.perf_counter()
exec(sys.argv[2])
count("hello world")
loaded = time.perf_counter() - started
for _ in range(30):
    started = time.perf_counter()
    tokens = count(text)
    runs.append(time.perf_counter() - started)
print(f"{loaded * 1e3:5.0f} ms to load  +{rss_mb() - before:5.1f} MB  {min(runs) / len(text.encode()) * 1024e6:4.0f} us/KB  {tokens} tokens")
"""
LOADS = {
    "farthing": "from farthing.models.tokens import TokenCounter as C; c = C(exact_bytes=10**9); count = lambda t: c.count(t, 'gpt-4o')",
    "rs_bpe": "from rs_bpe.bpe import openai; count = openai.o200k_base().count",
    "bpe_openai": "import bpe_openai; e = bpe_openai.get_encoding('o200k_base'); count = lambda t: len(e.encode_ordinary(t))",
    "tiktoken": "from tiktoken_judge import judges; e = judges()['gpt-4o']; count = lambda t: len(e.encode_ordinary(t))",
}


def has(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def memory_and_speed() -> None:
    print("\no200k, each in a fresh process, counting src/farthing/config/services.py:")
    sample = HERE.parent / "src" / "farthing" / "config" / "services.py"
    for name, load in LOADS.items():
        if has(name) and (name != "tiktoken" or has("bpe_openai")):
            child = subprocess.run([sys.executable, "-c", PROBE, str(sample), load], cwd=HERE, capture_output=True, text=True, check=True)
            print(f"  {name:<11}", child.stdout.strip())


def worst_case() -> None:
    hostile = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=200_000))
    counter = TokenCounter()
    counter.count("warm", "gpt-4o")
    started = time.perf_counter()
    counter.count(hostile, "gpt-4o")
    print(f"\n200 KB without a space: {(time.perf_counter() - started) * 1e3:.0f} ms")


def exactness() -> None:
    if not has("tiktoken", "bpe_openai"):
        print("\nexactness: tiktoken and bpe-openai are not installed")
        return
    from tiktoken_judge import judges, noise

    counter, encodings = TokenCounter(exact_bytes=10**9), judges()
    texts = [*noise(10_000, seed=11), *(text for texts in routing_texts().values() for text in texts)]
    wrong = sum(counter.count(text, model) != len(encoding.encode_ordinary(text)) for text in texts for model, encoding in encodings.items())
    print(f"\nexactness: {wrong} of {len(texts):,} texts x {len(encodings)} vocabularies differ from tiktoken")


def routing_texts() -> dict[str, list[str]]:
    """Real prompts by kind, up to 1,500 of each."""
    if not ROUTING.exists() or not has("pyarrow"):
        return {}
    import pyarrow.parquet as parquet

    kinds = {
        "English questions (MMLU)": ("routellm", "mmlu"),
        "word problems (GSM8K)": ("zeroeval", "gsm"),
        "contest maths, LaTeX (MATH)": ("zeroeval", "math-l5"),
        "code (CRUXEval)": ("zeroeval", "crux"),
        "long multiple choice (MMLU-Pro)": ("mmlu_pro", "mmlu_pro"),
    }
    found: dict[str, list[str]] = {}
    for kind, (file, dataset) in kinds.items():
        rows = parquet.read_table(ROUTING / f"{file}.prompts.parquet", columns=["dataset", "prompt"]).to_pylist()
        texts = [row["prompt"] for row in rows if row["dataset"] == dataset]
        found[kind] = random.Random(5).sample(texts, min(len(texts), 1500))
    return found


def quantiles(errors: Iterable[float]) -> str:
    ordered = sorted(errors)
    return f"median {ordered[len(ordered) // 2]:4.0%}, nine in ten within {ordered[len(ordered) * 9 // 10]:4.0%}"


def estimate_error() -> None:
    counter = TokenCounter(exact_bytes=10**9)
    print("\nestimate from bytes alone, against the o200k count:")
    for kind, texts in routing_texts().items():
        counts = [(len(text.encode()), counter.count(text, "gpt-4o")) for text in texts]
        ratio = sum(size for size, _ in counts) / sum(tokens for _, tokens in counts)
        print(f"  {kind:<32} {ratio:.2f} bytes a token, error {quantiles(abs(counter.estimate(s) / t - 1) for s, t in counts)}")


def other_makers() -> None:
    """Judged, not fitted, on RouterArena: that set is for evaluation only."""
    if not ROUTING.exists() or not has("pyarrow"):
        return
    import pyarrow.parquet as parquet

    prompts = {row["prompt_id"]: row["prompt"] for row in parquet.read_table(ROUTING / "routerarena_sub10.prompts.parquet").to_pylist()}
    counter, errors = TokenCounter(exact_bytes=10**9), dict[str, list[float]]()
    for row in parquet.read_table(ROUTING / "routerarena_sub10.scores.parquet").to_pylist():
        if row["in_tokens"]:
            errors.setdefault(row["model"], []).append(counter.count(prompts[row["prompt_id"]], row["model"]) / row["in_tokens"] - 1)
    print("\ncount, against what the makers billed for the prompt (their chat format included):")
    for model, signed in errors.items():
        print(f"  {model:<24} {quantiles(map(abs, signed))}, bias {statistics.mean(signed):+.0%}, {len(signed)} prompts")


def sampling_error() -> None:
    """Texts beyond the exact limit: 60 KB made of real prompts of one kind each."""
    exact, sampled = TokenCounter(exact_bytes=10**9), TokenCounter()
    errors: list[float] = []
    for texts in routing_texts().values():
        for start in range(0, 500, 50):
            text = "\n\n".join(texts[start : start + 400])[:60_000]
            errors.append(abs(sampled.count(text, "gpt-4o") / exact.count(text, "gpt-4o") - 1))
    if errors:
        print(f"\n60 KB texts, counted on 16 slices: {quantiles(errors)}")


def main() -> None:
    memory_and_speed()
    worst_case()
    exactness()
    estimate_error()
    sampling_error()
    other_makers()
    sizes = {path.name: path.stat().st_size for path in (HERE.parent / "src" / "farthing" / "data").glob("*.ranks")}
    print("\nshipped:", json.dumps(sizes))


if __name__ == "__main__":
    main()
