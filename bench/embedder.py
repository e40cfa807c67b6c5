"""The shipped embedder beside other ways to keep its weights: size, speed, and what is lost.

    python bench/embedder.py MODEL_FOLDER [--pairs 1000]

MODEL_FOLDER is the one that examples/build_embedder.py reads (it needs the package `onnx`). What ships is taken as it ships, every other kind is
built anew; run on one thread over questions of ../shared/data/cache: cosine to the float model, share of questions with the same
nearest neighbour, AUC on QQP's test half. Times are the core's own, which others at work lengthen less than the clock's.
"""

import argparse
import gzip
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from _harness import ROOT, Figure, print_table, save

if TYPE_CHECKING:
    from farthing.models.embed import LocalEmbedder

sys.path.insert(0, str(ROOT / "examples"))
DATA = ROOT.parent / "shared" / "data" / "cache"
QUESTION = "how can i change the address on my bank account"
PARAGRAPH = (
    "i moved to another town last week and the letters about my account still go to my flat. how can i change the address on my bank account in "
    "the app, how long does it take until the new one is used, and do i have to send a copy of a bill?"
)
SHIPPED = ROOT / "src" / "farthing" / "data" / "minilm"
STREAMS = ("banking77", "clinc150", "text2sql")


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).splitlines()]


def questions(count: int) -> list[str]:
    """Some of every stream, always the same ones."""
    found: list[str] = []
    for name in STREAMS:
        texts = {row["q"] for row in rows(f"stream_{name}")}
        found += random.Random(7).sample(sorted(texts), count // len(STREAMS))
    return found


def pairs(count: int) -> list[tuple[str, str, int]]:
    return [(row["a"], row["b"], row["y"]) for row in rows("pairs_qqp")[40427 : 40427 + count]]


def auc(scores: "np.ndarray", labels: "np.ndarray") -> float:
    ranks = np.empty(len(scores))
    ranks[np.argsort(scores)] = np.arange(1, len(scores) + 1)
    positive = int(labels.sum())
    return float((ranks[labels == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(labels) - positive)))


def nearest(vectors: "np.ndarray") -> "np.ndarray":
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -1)
    return likeness.argmax(axis=1)


def kinds(model: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and graph of each; the float one first."""
    import _embedder

    weights = _embedder.read_weights(model / "model.safetensors")
    for kind in _embedder.KINDS:
        path = folder / f"{kind}.onnx"
        path.write_bytes(_embedder.build(weights, _embedder.Graph(kind)).SerializeToString())
        yield kind, path
    yield "shipped", SHIPPED / "model.onnx"
    yield "shipped, passages", SHIPPED / "batch.onnx"


def times(embedder: "LocalEmbedder", text: str) -> tuple[float, float]:
    """Median and least CPU time of one text, in ms."""
    took: list[float] = []
    for _ in range(200):
        began = time.thread_time()
        embedder.embed_now(text)
        took.append((time.thread_time() - began) * 1e3)
    return statistics.median(took), min(took)


def main() -> None:
    from farthing.models.embed import LocalEmbedder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pairs", type=int, default=1000)
    arguments = parser.parse_args()
    asked, judged = questions(arguments.pairs), pairs(arguments.pairs)
    labels = np.array([label for *_, label in judged])
    reference = None
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in kinds(arguments.model, Path(folder)):
            began = time.thread_time()
            embedder = LocalEmbedder(path, arguments.model / "vocab.txt", name=kind)
            embedder.embed_now(QUESTION)
            opened_s = time.thread_time() - began
            vectors = np.array([embedder.embed_now(text) for text in asked])
            likeness = np.array([embedder.embed_now(one) @ embedder.embed_now(other) for one, other, _ in judged])
            reference = vectors if reference is None else reference
            agree = float((nearest(vectors) == nearest(reference)).mean())
            goal = kind == "shipped"
            figures.append(Figure(f"{kind}: size", path.stat().st_size / 1e6, "MB", 25 if goal else None))
            figures.append(Figure(f"{kind}: open, with its first text", opened_s * 1e3, "ms CPU", None))
            for tokens, text in ((12, QUESTION), (59, PARAGRAPH)):
                median_ms, least_ms = times(embedder, text)
                figures.append(Figure(f"{kind}: {tokens} tokens, median", median_ms, "ms CPU", None, note=f"fastest {least_ms:.2f}"))
            figures += [
                Figure(f"{kind}: cosine to float, x 1000", 1e3 * float((vectors * reference).sum(1).mean()), "", 990 if goal else None, False),
                Figure(f"{kind}: same nearest neighbour", 100 * agree, "%", 95 if goal else None, False),
                Figure(f"{kind}: AUC on QQP, x 1000", auc(likeness, labels) * 1e3, "", None),
            ]
    print_table("Embedder", figures)
    save("embedder", figures, {"pairs": arguments.pairs})


if __name__ == "__main__":
    main()
