"""The index of the semantic cache: how long a look-up takes without embedding, how often it finds the nearest, what a key costs in memory, and how
long a start takes with the graph that an earlier run saved.

    python bench/cache_index.py [--keys 100000] [--threads 2] [--scratch /tmp/farthing-cache]

Vectors are those of the streams (bench/cache.py makes them) with noise, so that near ones are as near as questions are.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from _cache_streams import STREAMS, Stream
from _harness import Figure, print_table, save
from farthing.brain.cache.semantic.context import NEIGHBOURS
from farthing.brain.cache.semantic.index import VectorIndex, add_many, new_graph
from farthing.brain.cache.semantic.saved import SavedIndexes
from farthing.models.embed.pages import collapse

ASKED = 500
_PIECE = 20_000


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def likely(pool: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
    """So many vectors near those of the pool, piece by piece: a million take 1.5 GB as they are."""
    rows = pool[chance.integers(0, len(pool), count)]
    for at in range(0, count, _PIECE):
        piece = rows[at : at + _PIECE]
        rows[at : at + _PIECE] = unit(piece + chance.normal(0, 0.02, piece.shape).astype(np.float32))
    return rows


def built(rows: np.ndarray, threads: int) -> VectorIndex:
    """Key by key, as a gateway does, or its graph in one go."""
    index = VectorIndex()
    if threads:
        graph = new_graph(rows.shape[1])
        for at in range(0, len(rows), _PIECE):
            piece = rows[at : at + _PIECE]
            add_many(graph, np.arange(at, at + len(piece), dtype=np.uint64), piece, threads=threads)
        index.adopt(graph)
    for key, row in enumerate(rows):
        index.add(key, row)
    return index


def reopened(index: VectorIndex, rows: np.ndarray) -> tuple[float, float, float]:
    """Seconds to save a graph, to open it, and to claim its keys."""
    with tempfile.TemporaryDirectory() as folder:
        saved = SavedIndexes(Path(folder) / "index", "bench")
        began = time.perf_counter()
        saved.write([(b"scope", index)])
        written = time.perf_counter()
        after = VectorIndex()
        after.adopt(saved.read(b"scope"))
        opened = time.perf_counter()
        for key, row in enumerate(rows):
            after.add(key, row)
        after.settle()
        claimed = time.perf_counter()
    assert after.nearest(rows[0], 1)[0] == index.nearest(rows[0], 1)[0]
    return written - began, opened - written, claimed - opened


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=0, help="build the graph in one go; 0: key by key")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/farthing-cache"))
    arguments = parser.parse_args()
    chance = np.random.default_rng(0)
    pool = np.concatenate([Stream.load(name, arguments.scratch).vectors for name in STREAMS])
    rows = likely(pool, arguments.keys, chance)
    asked = unit(rows[chance.integers(0, len(rows), ASKED)] + chance.normal(0, 0.015, (ASKED, rows.shape[1])).astype(np.float32))
    before_mb, began = resident_mb(), time.perf_counter()
    index = built(rows, arguments.threads)
    built_s, bytes_each = time.perf_counter() - began, (resident_mb() - before_mb) * 1e6 / arguments.keys
    collapse()  # as a gateway does when it has loaded
    took: list[float] = []
    computed: list[float] = []
    right = 0
    for vector in asked:
        nearest = int((rows @ vector).argmax())
        began, own = time.perf_counter(), time.thread_time()
        keys, _ = index.nearest(vector, NEIGHBOURS)
        took.append(1e6 * (time.perf_counter() - began))
        computed.append(1e6 * (time.thread_time() - own))
        right += keys[0] == nearest
    saved_s, opened_s, claimed_s = reopened(index, rows)
    limit_us = 500 if arguments.keys <= 100_000 else 2000
    figures = [
        Figure(f"look-up among {arguments.keys:,} keys, median", statistics.median(took), "us", limit_us, note=f"fastest {min(took):.0f}"),
        Figure("the same, computing alone: what a busy machine does not change", statistics.median(computed), "us", limit_us),
        Figure("recall of the nearest", 100 * right / ASKED, "%", 99, at_most=False),
        Figure("memory a key", bytes_each, "B", 1200),
        Figure("building", built_s, "s", None, note=f"in one go, {arguments.threads} threads" if arguments.threads else "key by key"),
        Figure("saving", saved_s, "s", None),
        Figure("opening what was saved, checksum included", opened_s, "s", 30),
        Figure("claiming its keys, as a load of the store does", claimed_s, "s", 30),
    ]
    print_table("Index of the semantic cache", figures)
    save("cache_index", figures, {"keys": arguments.keys})


if __name__ == "__main__":
    main()
