"""llama.cpp through the C functions that the `xllamacpp` wheel carries: its quantizers of rows, and a model to measure.

Guarantees: the numbers are llama.cpp's own (`ggml_quantize_chunk`, `llama_decode`), not a second implementation.
The two parameter structs are passed as llama.cpp filled them, in room to spare, so that fields added at their end do no harm; their beginning
is checked against llama.cpp's known defaults, and a wheel that differs is refused in words.
Costs: half a second to load the library; runs in the measuring process only (`probe.py`), so that a crash in it is an error here.
"""

import ctypes
import importlib.util
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_float, c_int8, c_int32, c_int64, c_size_t, c_uint32, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.lab.quantize.base import GGUF_INSTALL, CannotQuantize, ToolMissing

GGML_TYPES = {"F32": 0, "F16": 1, "Q5_0": 6, "Q8_0": 8, "Q4_K": 12, "Q6_K": 14}
_DEFAULTS = (512, 2048, 512)  # n_ctx, n_batch, n_ubatch: how llama_context_params begins
_LOADING = 4, (-1, 1, -1)  # n_gpu_layers, split_mode, load_mode in llama_model_params, after two pointers
_COPIED = 0  # a load_mode: as engines are started (models/local/pages.py)
_OTHER_LAYOUT = f"The installed xllamacpp has another layout of its parameters than known here. Install another: {GGUF_INSTALL}"

Floats = npt.NDArray[np.float32]


class _Room(Structure):
    """A parameter struct whose fields we leave alone, with room to spare."""

    _fields_ = [("held", c_char * 2048)]


class _Batch(Structure):
    """llama_batch."""

    _fields_ = [
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(c_int8)),
    ]


_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "ggml_quantize_chunk": (c_size_t, [c_int32, c_void_p, c_void_p, c_int64, c_int64, c_int64, c_void_p]),
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [c_void_p, c_void_p]),
    "llama_model_default_params": (_Room, []),
    "llama_context_default_params": (_Room, []),
    "llama_model_load_from_file": (c_void_p, [c_char_p, _Room]),
    "llama_init_from_model": (c_void_p, [c_void_p, _Room]),
    "llama_model_free": (None, [c_void_p]),
    "llama_free": (None, [c_void_p]),
    "llama_model_get_vocab": (c_void_p, [c_void_p]),
    "llama_vocab_n_tokens": (c_int32, [c_void_p]),
    "llama_tokenize": (c_int32, [c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32, c_int8, c_int8]),
    "llama_batch_init": (_Batch, [c_int32, c_int32, c_int32]),
    "llama_batch_free": (None, [_Batch]),
    "llama_decode": (c_int32, [c_void_p, _Batch]),
    "llama_get_logits_ith": (POINTER(c_float), [c_void_p, c_int32]),
    "llama_get_memory": (c_void_p, [c_void_p]),
    "llama_memory_clear": (None, [c_void_p, c_int8]),
    "llama_set_n_threads": (None, [c_void_p, c_int32, c_int32]),
}
_QUIET = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_void_p)(lambda *_: None)


def library() -> Any:
    """The shared library, its functions typed. Raises `ToolMissing`."""
    found = importlib.util.find_spec("xllamacpp")
    folder = Path(found.origin).parent if found is not None and found.origin else None
    file = next(iter(sorted(folder.glob("xllamacpp*.so"))), None) if folder else None
    if file is None:
        raise ToolMissing(f"GGUF methods need llama.cpp: {GGUF_INSTALL}")
    try:
        loaded = ctypes.CDLL(str(file))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as fault:
        raise ToolMissing(f"The installed xllamacpp cannot be used ({fault}). Install another: {GGUF_INSTALL}") from fault
    return loaded


def quantized(lib: Any, values: Floats, *, kind: str) -> npt.NDArray[np.uint8]:
    """Rows (float32, contiguous, two dimensions) in the block format `kind`."""
    from farthing.lab.quantize.recipe import stored_bytes

    rows, columns = values.shape
    made = np.empty(stored_bytes(values.shape, kind), np.uint8)
    written = lib.ggml_quantize_chunk(GGML_TYPES[kind], values.ctypes.data, made.ctypes.data, 0, rows, columns, None)
    if written != made.size:
        raise CannotQuantize(f"llama.cpp wrote {written:,} bytes of {kind} where {made.size:,} were due. Install another xllamacpp.")
    return made


def _loading(lib: Any) -> Any:
    """`llama_model_params` whose weights are copied, not mapped. Raises `ToolMissing`."""
    made = lib.llama_model_default_params()
    first, defaults = _LOADING
    words = ctypes.cast(byref(made), POINTER(c_int32))
    if tuple(words[first + at] for at in range(3)) != defaults:
        raise ToolMissing(_OTHER_LAYOUT)
    words[first + 2] = _COPIED
    return made


class Model:
    """A GGUF file, loaded. One sequence, `context` tokens long."""

    def __init__(self, file: Path, *, context: int, threads: int) -> None:
        lib = self._lib = library()
        lib.llama_log_set(_QUIET, None)
        lib.llama_backend_init()
        self._model = lib.llama_model_load_from_file(str(file).encode(), _loading(lib))
        if not self._model:
            raise CannotQuantize(f"llama.cpp cannot load {file}. Is it a whole GGUF file of a model that it knows?")
        asked = lib.llama_context_default_params()
        sizes = ctypes.cast(byref(asked), POINTER(c_uint32))
        if tuple(sizes[at] for at in range(3)) != _DEFAULTS:
            raise ToolMissing(_OTHER_LAYOUT)
        sizes[0] = context
        self._context = lib.llama_init_from_model(self._model, asked)
        if not self._context:
            raise CannotQuantize(f"llama.cpp cannot make room for {context} tokens of {file}. Free some memory.")
        lib.llama_set_n_threads(self._context, threads, threads)
        self._vocab = lib.llama_model_get_vocab(self._model)
        self.vocabulary = int(lib.llama_vocab_n_tokens(self._vocab))
        self._batch = lib.llama_batch_init(max(context, 512), 0, 1)

    def tokens(self, text: str) -> list[int]:
        """Token ids of a text, none added."""
        raw = text.encode()
        room = (c_int32 * (len(raw) + 8))()
        count = self._lib.llama_tokenize(self._vocab, raw, len(raw), room, len(room), 0, 0)
        return list(room[:count])

    def forget(self) -> None:
        """Begin a new sequence."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), 1)

    def feed(self, tokens: list[int], at: int, *, every: bool) -> Floats | None:
        """Decode tokens from position `at` on; their logits [tokens, vocabulary] when `every`, else only the last one's are computed."""
        batch = self._batch
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index], batch.pos[index], batch.n_seq_id[index], batch.seq_id[index][0] = token, at + index, 1, 0
            batch.logits[index] = every or index == len(tokens) - 1
        status = self._lib.llama_decode(self._context, batch)
        if status:
            raise CannotQuantize(f"llama.cpp stopped with status {status} while decoding.")
        if not every:
            self._lib.llama_get_logits_ith(self._context, len(tokens) - 1)  # waits until it is computed
            return None
        rows = [self._lib.llama_get_logits_ith(self._context, index) for index in range(len(tokens))]
        return np.stack([np.ctypeslib.as_array(row, (self.vocabulary,)) for row in rows])

    def logits(self, tokens: list[int]) -> Floats:
        """[tokens, vocabulary] of a sequence of its own."""
        self.forget()
        found = self.feed(tokens, 0, every=True)
        assert found is not None
        return found

    def close(self) -> None:
        self._lib.llama_batch_free(self._batch)
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)
