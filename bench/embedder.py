"""The shipped embedder beside other ways to keep its weights: size, speed, and what is lost.

    python bench/embedder.py MODEL_FOLDER [--pairs 1000]

MODEL_FOLDER is the one that examples/build_embedder.py reads (it needs the package `onnx`). Each kind is built anew, run on one thread over
questions of ../shared/data/cache: cosine to the float model, share of questions with the same nearest neighbour, AUC on QQP's test half.
"""

import argparse
import gzip
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _harness import ROOT, Figure, print_table, save

sys.path.insert(0, str(ROOT / "examples"))
DATA = ROOT.parent / "shared" / "data" / "cache"
QUESTION = "how can i change the address on my bank account"
TOKENS = 12
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


def main() -> None:
    import build_embedder

    from farthing.models.embed import LocalEmbedder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pairs", type=int, default=1000)
    arguments = parser.parse_args()
    weights = build_embedder.read_weights(arguments.model / "model.safetensors")
    asked, judged = questions(arguments.pairs), pairs(arguments.pairs)
    reference = None
    figures: list[Figure] = []
    for kind in build_embedder.KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(build_embedder.build(weights, kind).SerializeToString())
            began = time.perf_counter()
            embedder = LocalEmbedder(path, arguments.model / "vocab.txt", name=kind)
            embedder.embed_now(QUESTION)
            opened_s = time.perf_counter() - began
            took: list[float] = []
            for _ in range(200):
                began = time.perf_counter()
                embedder.embed_now(QUESTION)
                took.append(time.perf_counter() - began)
            vectors = np.array([embedder.embed_now(text) for text in asked])
            likeness = np.array([embedder.embed_now(one) @ embedder.embed_now(other) for one, other, _ in judged])
            size = path.stat().st_size / 1e6
        reference = vectors if reference is None else reference
        agree = float((nearest(vectors) == nearest(reference)).mean())
        shipped = kind == "block8"
        figures += [
            Figure(f"{kind}: size", size, "MB", 25 if shipped else None),
            Figure(f"{kind}: open, with its first text", opened_s * 1e3, "ms", None),
            Figure(f"{kind}: {TOKENS} tokens, median", statistics.median(took) * 1e3, "ms", None, note=f"fastest {min(took) * 1e3:.2f}"),
            Figure(f"{kind}: cosine to float, x 1000", 1e3 * float((vectors * reference).sum(1).mean()), "", 990 if shipped else None, False),
            Figure(f"{kind}: same nearest neighbour", 100 * agree, "%", 95 if shipped else None, False),
            Figure(f"{kind}: AUC on QQP, x 1000", auc(likeness, np.array([label for *_, label in judged])) * 1e3, "", None),
        ]
    print_table("Embedder", figures)
    save("embedder", figures, {"pairs": arguments.pairs})


if __name__ == "__main__":
    main()
