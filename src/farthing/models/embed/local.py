"""An embedding model in this process: ONNX, run by onnxruntime in one worker thread, so that the event loop goes on.

The model is opened when its first text comes (40 ms), never at start. The latest texts are remembered, so that cache, router and retrieval, which
ask about the same request one after another, embed it once. Any BERT-style sentence model will do whose graph takes `ids` and
`mask` (or `input_ids` and `attention_mask`) and gives one vector a text, or one a token, of which the mean is taken.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farthing.core.errors import ConfigError
from farthing.models.embed.wordpiece import WordPiece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

_MOST_TOKENS = 256
_BATCH = 32
_REMEMBERED = 64
_NAMES = (("ids", "mask"), ("input_ids", "attention_mask"))


class LocalEmbedder:
    """Embeds texts with a model file and its vocabulary. `id` names both by content, so that no two models are taken for one."""

    def __init__(self, model: Path, vocabulary: Path, *, name: str) -> None:
        for path in (model, vocabulary):
            if not path.is_file():
                raise ConfigError(f"The embedding model needs {path}, which is not there. Correct `cache.semantic.embedder`, or leave it out.")
        self._model, self._vocabulary = model, vocabulary
        self.id = f"{name}:{_fingerprint(model)}"
        self._thread = ThreadPoolExecutor(1, "farthing-embed")
        self._opened: _Opened | None = None
        self._latest: OrderedDict[str, Vector] = OrderedDict()

    async def embed(self, text: str) -> "Vector":
        """A vector of length one, not to be written to. Raises `ConfigError` when the file is no such model."""
        known = self._latest.get(text)
        if known is not None:
            return known
        vector = await asyncio.get_running_loop().run_in_executor(self._thread, self.embed_now, text)
        vector.setflags(write=False)
        self._latest[text] = vector
        if len(self._latest) > _REMEMBERED:
            self._latest.popitem(last=False)
        return vector

    def embed_now(self, text: str) -> "Vector":
        """The same in the calling thread."""
        if self._opened is None:
            self._opened = _Opened(self._model, self._vocabulary)
        return self._opened.vector(text)

    def embed_many(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """One row a text, in the calling thread; twice as fast as one by one, because texts of one length go together."""
        if self._opened is None:
            self._opened = _Opened(self._model, self._vocabulary)
        return self._opened.vectors(texts)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


class _Opened:
    """A session of onnxruntime and a tokenizer."""

    def __init__(self, model: Path, vocabulary: Path) -> None:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

        runtime: Any = onnxruntime
        self._words = WordPiece.load(vocabulary)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:  # onnxruntime raises classes of its own; every one of them means a file that cannot be used
            self._session: Any = runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ConfigError(f"{model} cannot be opened as an ONNX model: {str(error)[:200]}") from error
        names = {entry.name for entry in self._session.get_inputs()}
        found = next((pair for pair in _NAMES if set(pair) <= names), None)
        if found is None or names - set(found) - {"token_type_ids"}:
            raise ConfigError(f"{model} takes {', '.join(sorted(names))}; an embedding model takes input_ids and attention_mask.")
        self._ids, self._mask = found
        self._types = "token_type_ids" in names
        self._output: str = self._session.get_outputs()[0].name

    def vector(self, text: str) -> "Vector":
        return self._run([self._words.ids(text, _MOST_TOKENS)])[0]

    def vectors(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        import numpy as np

        by_length: dict[int, list[tuple[int, list[int]]]] = {}
        for place, text in enumerate(texts):
            ids = self._words.ids(text, _MOST_TOKENS)
            by_length.setdefault(len(ids), []).append((place, ids))
        rows: list[Vector | None] = [None] * len(texts)
        for alike in by_length.values():
            for start in range(0, len(alike), _BATCH):
                some = alike[start : start + _BATCH]
                for (place, _), vector in zip(some, self._run([ids for _, ids in some]), strict=True):
                    rows[place] = vector
        return np.stack([row for row in rows if row is not None])

    def _run(self, ids: list[list[int]]) -> "NDArray[np.float32]":
        """Texts of one length."""
        import numpy as np

        matrix = np.array(ids, np.int64)
        feed = {self._ids: matrix, self._mask: np.ones_like(matrix)} | ({"token_type_ids": np.zeros_like(matrix)} if self._types else {})
        found: NDArray[np.float32] = self._session.run([self._output], feed)[0]
        vectors = found.mean(axis=1) if found.ndim == 3 else found
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _fingerprint(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=6)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def shipped() -> LocalEmbedder:
    """all-MiniLM-L6-v2, as it comes with Farthing: one in a process, whoever asks."""
    folder = Path(__file__).parents[2] / "data" / "minilm"
    return LocalEmbedder(folder / "model.onnx", folder / "vocab.txt", name="minilm")
