"""The vectors of one namespace: nearest first. A namespace has its own, so that no search can see another's keys.

Up to `_BRUTE` keys all are compared; from there on a navigable graph with 8-bit vectors (usearch) takes over: 0.7 ms a
search at 100,000 keys, 0.9 KB a key (bench/cache_index.py). Cosines are then those of rounded vectors.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

_BRUTE = 4096


class VectorIndex:
    """Keys are numbers chosen by the caller. All vectors have the length of the first and are of length one."""

    def __init__(self) -> None:
        self.dimensions = 0
        self._place: dict[int, int] = {}
        self._keys: list[int] = []
        self._rows: NDArray[np.float32] | None = None
        self._graph: Any | None = None

    def __len__(self) -> int:
        return len(self._graph) if self._graph is not None else len(self._keys)

    def add(self, key: int, vector: "Vector") -> None:
        """Raises `ValueError` where the vector has another length than those before."""
        import numpy as np

        if self.dimensions not in (0, len(vector)):
            raise ValueError(f"a vector of {len(vector)} numbers among vectors of {self.dimensions}")
        self.dimensions = len(vector)
        if self._graph is not None:
            self._graph.add(key, vector)
            return
        if self._rows is None:
            self._rows = np.zeros((16, len(vector)), np.float32)
        if len(self._keys) == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[len(self._keys)] = vector
        self._place[key] = len(self._keys)
        self._keys.append(key)
        if len(self._keys) > _BRUTE:
            self._to_graph()

    def _to_graph(self) -> None:
        import numpy as np
        import usearch.index  # pyright: ignore[reportMissingTypeStubs]

        assert self._rows is not None
        library: Any = usearch.index
        self._graph = library.Index(ndim=self.dimensions, metric="cos", dtype="i8", connectivity=16, expansion_add=64, expansion_search=64)
        assert self._graph is not None
        self._graph.add(np.array(self._keys, np.uint64), self._rows[: len(self._keys)])
        self._rows, self._keys, self._place = None, [], {}

    def remove(self, key: int) -> None:
        """Nothing happens where it is not there."""
        if self._graph is not None:
            if key in self._graph:
                self._graph.remove(key)
            return
        place = self._place.pop(key, None)
        if place is None or self._rows is None:
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
        if self._graph is not None:
            found = self._graph.search(vector, min(count, len(self._graph)))
            return [int(key) for key in found.keys], [1.0 - float(distance) for distance in found.distances]
        assert self._rows is not None
        cosines = self._rows[: len(self._keys)] @ vector
        some = np.argpartition(-cosines, count)[:count] if len(cosines) > count else np.arange(len(cosines))
        order = some[np.argsort(-cosines[some], kind="stable")]
        return [self._keys[place] for place in order], cosines[order].tolist()
