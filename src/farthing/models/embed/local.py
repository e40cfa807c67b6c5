"""An embedding model in this process: ONNX, run by onnxruntime in one worker thread, so that the event loop goes on.

The model is opened when its first text comes (40 ms), never at start. The latest texts are remembered, so that cache, router and retrieval, which
ask about the same request one after another, embed it once. Any BERT-style sentence model will do whose graph takes `ids` and
`mask` (or `input_ids` and `attention_mask`) and gives one vector a text, or one a token, of which the mean is taken.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farthing.core.errors import ConfigError
from farthing.models.embed.pages import collapse
from farthing.models.embed.wordpiece import WordPiece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]

_MOST_TOKENS = 256
_REMEMBERED = 64
_BATCH_TOKENS = 192  # what fits the processor's second cache goes through up to twice as fast as what does not
_LEAST_FILLED = 0.7  # share of the longest text's length that a shorter one beside it has
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
        many = model.with_name("batch.onnx")
        self._many = many if many.is_file() else None
        self._opened_many: _Opened | None = None

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
        """One row a text, in the calling thread; twice as fast as one by one, because texts of about one length go together."""
        if self._opened is None:
            self._opened = _Opened(self._model, self._vocabulary)
        return self._opened.vectors(texts)

    def embed_passages(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """One row a text, for texts that are searched for rather than compared with each other, where the model has a graph for many beside it
        (`batch.onnx`): a quarter faster, at a cosine of 0.999 to `embed_many`.
        """
        if self._many is None:
            return self.embed_many(texts)
        if self._opened_many is None:
            self._opened_many = _Opened(self._many, self._vocabulary)
        return self._opened_many.vectors(texts)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _session(model: Path) -> Any:
    """A session of onnxruntime in one thread. Raises `ConfigError` for a file that is no model."""
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

    runtime: Any = onnxruntime
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:  # onnxruntime raises classes of its own; every one of them means a file that cannot be used
        return runtime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(f"{model} cannot be opened as an ONNX model: {str(error)[:200]}") from error


class _Opened:
    """A session and a tokenizer."""

    def __init__(self, model: Path, vocabulary: Path) -> None:
        self._words = WordPiece.load(vocabulary)
        self._session = _session(model)
        collapse()
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

        ids = [self._words.ids(text, _MOST_TOKENS) for text in texts]
        found: list[Vector | None] = [None] * len(texts)
        for places in batches([len(some) for some in ids]):
            for place, vector in zip(places, self._run([ids[place] for place in places]), strict=True):
                found[place] = vector
        return np.stack([row for row in found if row is not None])

    def _run(self, ids: list[list[int]]) -> "NDArray[np.float32]":
        """Shorter texts are filled up to the longest; what they are filled with counts for nothing."""
        import numpy as np

        matrix, mask = (np.zeros((len(ids), max(map(len, ids))), np.int64) for _ in range(2))
        for row, some in enumerate(ids):
            matrix[row, : len(some)], mask[row, : len(some)] = some, 1
        feed = {self._ids: matrix, self._mask: mask} | ({"token_type_ids": np.zeros_like(matrix)} if self._types else {})
        found: NDArray[np.float32] = self._session.run([self._output], feed)[0]
        vectors = (found * mask[:, :, None]).sum(axis=1) if found.ndim == 3 else found
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts that go together: of about one length, and no more tokens than a processor keeps near."""
    order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], place))
    some: list[int] = []
    for place in order:
        if some and ((len(some) + 1) * lengths[some[0]] > _BATCH_TOKENS or lengths[place] < _LEAST_FILLED * lengths[some[0]]):
            yield some
            some = []
        some.append(place)
    if some:
        yield some


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
