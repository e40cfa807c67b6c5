"""The vectors of one namespace: nearest first. A namespace has its own, so that no search can see another's keys.

Up to `_BRUTE` keys all are compared (0.1 ms for 2,048); from there on a navigable graph with 8-bit vectors (usearch) takes over: 0.1 ms a search
at 20,000 keys, 0.9 KB a key (bench/cache_index.py). Cosines are then those of rounded vectors. `saved.py` keeps graphs over a restart.
Between `adopt` and `settle` keys are only put in, many at once and on all cores.
"""

import os
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

_BRUTE = 2048
_PIECE = 16_384  # keys that go into a graph at once
_SHAPE = {"metric": "cos", "dtype": "i8", "connectivity": 16, "expansion_add": 64, "expansion_search": 64}
_MANY, _WIDER = 200_000, 192  # of a million keys a search of 64 finds the nearest in 96 %, one of 192 in 98 %, in twice the time
_SPARSE, _DENSER = 100_000, 192  # at a load, beyond so many: then the nearest of a million is found in over 99 %, for three times the building


class VectorIndex:
    """Keys are numbers chosen by the caller. All vectors have the length of the first and are of length one."""

    def __init__(self) -> None:
        self.dimensions = 0
        self.graph: Any | None = None
        self._place: dict[int, int] = {}
        self._keys: list[int] = []
        self._rows: NDArray[np.float32] | None = None
        self._unclaimed: set[int] = set()
        self._loading = False
        self.placed = 0  # keys that were put into the graph one by one or many at once, rather than found in a saved one

    def __len__(self) -> int:
        return len(self._keys) + (0 if self.graph is None else len(self.graph) - len(self._unclaimed))

    def adopt(self, graph: Any | None) -> None:
        """A load begins, with a saved graph or none; the graph's keys count once they are added again. No search until `settle`."""
        self._loading = True
        if graph is not None:
            self.graph, self.dimensions = graph, int(graph.ndim)
            self._unclaimed = set(graph.keys[:].tolist())

    def settle(self) -> None:
        """What was in the saved graph and nobody added is gone; all that was added is there."""
        for key in self._unclaimed:
            if self.graph is not None:
                self.graph.remove(key)
        self._unclaimed = set()
        if self._keys and (self.graph is not None or len(self._keys) > _BRUTE):
            self._pour()
        self._loading = False

    def add(self, key: int, vector: "Vector") -> None:
        """Raises `ValueError` where the vector has another length than those before."""

        if self._unclaimed and len(vector) != self.dimensions and not len(self):
            self.graph, self.dimensions, self._unclaimed = None, 0, set()  # the store's vectors are others than those of the saved graph
        if self.dimensions not in (0, len(vector)):
            raise ValueError(f"a vector of {len(vector)} numbers among vectors of {self.dimensions}")
        self.dimensions = len(vector)
        if key in self._unclaimed:
            self._unclaimed.discard(key)
        elif self.graph is not None and not self._loading:
            self.graph.add(key, vector)
            self.placed += 1
        else:
            self._append(key, vector)

    def _append(self, key: int, vector: "Vector") -> None:
        import numpy as np

        if self._rows is None:
            self._rows = np.zeros((16, len(vector)), np.float32)
        if len(self._keys) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._keys)] = vector
        self._place[key] = len(self._keys)
        self._keys.append(key)
        if len(self._keys) > (_PIECE if self._loading else _BRUTE):
            self._pour()

    def _pour(self) -> None:
        """What is compared one by one goes into the graph."""
        import numpy as np

        assert self._rows is not None
        self.graph = graph = new_graph(self.dimensions) if self.graph is None else self.graph
        if self._loading:
            add_many(graph, np.array(self._keys, np.uint64), self._rows[: len(self._keys)], threads=0)
        else:
            graph.add(np.array(self._keys, np.uint64), self._rows[: len(self._keys)], threads=1)
        self.placed += len(self._keys)
        self._rows, self._keys, self._place = None, [], {}

    def remove(self, key: int) -> None:
        """Nothing happens where it is not there."""
        place = self._place.pop(key, None)
        if place is None or self._rows is None:
            if self.graph is not None and key in self.graph:
                self.graph.remove(key)
                self._unclaimed.discard(key)
            return
        last = self._keys.pop()
        if last != key:
            self._keys[place], self._place[last] = last, place
            self._rows[place] = self._rows[len(self._keys)]

    def nearest(self, vector: "Vector", count: int) -> tuple[list[int], list[float]]:
        """Keys and cosines, nearest first; empty where the vector is of another kind than the keys."""
        import numpy as np

        if not len(self) or len(vector) != self.dimensions:
            return [], []
        if self.graph is not None:
            self.graph.expansion_search = _WIDER if len(self.graph) > _MANY else _SHAPE["expansion_search"]
            found = self.graph.search(vector, min(count, len(self.graph)))
            return found.keys.tolist(), (1.0 - found.distances).tolist()
        assert self._rows is not None
        cosines = self._rows[: len(self._keys)] @ vector
        some = np.argpartition(-cosines, count)[:count] if len(cosines) > count else np.arange(len(cosines))
        order = some[np.argsort(-cosines[some], kind="stable")]
        return [self._keys[place] for place in order], cosines[order].tolist()


def key_of(entry_id: str, question: str) -> int:
    """A question's number under its answer: the same in every process and after every start."""
    return int.from_bytes(blake2b(f"{entry_id}\0{question}".encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def new_graph(dimensions: int) -> Any:
    """An empty one."""
    import usearch.index  # pyright: ignore[reportMissingTypeStubs]

    library: Any = usearch.index
    return library.Index(ndim=dimensions, **_SHAPE)


def add_many(graph: Any, keys: "NDArray[np.uint64]", rows: "NDArray[np.float32]", *, threads: int) -> None:
    """Keys of a load; beyond `_SPARSE` their neighbours are looked for further than while people wait. `threads` 0: all cores."""
    graph.expansion_add = _SHAPE["expansion_add"] if len(graph) < _SPARSE else _DENSER
    graph.add(keys, rows, threads=threads)
    graph.expansion_add = _SHAPE["expansion_add"]


def open_graph(path: Path) -> Any:
    """Raises `RuntimeError` or `ValueError` where the file holds no graph of ours."""
    import usearch.index  # pyright: ignore[reportMissingTypeStubs]

    library: Any = usearch.index
    graph = library.Index.restore(os.fspath(path))
    if graph is None or str(graph.dtype.name).lower() != _SHAPE["dtype"]:
        raise ValueError(f"{path.name} is no graph of 8-bit vectors")
    graph.expansion_add, graph.expansion_search = _SHAPE["expansion_add"], _SHAPE["expansion_search"]
    return graph
