"""A GGUF file in 16 bits into one of fewer: every tensor by its recipe, with llama.cpp's own quantizers.

Costs: one tensor in memory at a time, in float32; 40 MB of weights a second on one core for Q4_K_M, more for Q8_0.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from farthing.lab.quantize import convert, llamacpp
from farthing.lab.quantize.base import CannotQuantize
from farthing.lab.quantize.recipe import FILE_TYPE, stored_bytes, tensor_type

_ROWS_TOGETHER = 1024
_OWN_KEYS = {"GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture", "general.file_type", "general.quantization_version"}


def shrink(source: Path, target: Path, recipe: str, threads: int, progress: convert.Progress) -> None:
    """Write `target`. Raises `CannotQuantize` where `source` is no 16- or 32-bit GGUF of a decoder."""
    gguf, lib = convert.library(), llamacpp.library()
    reader = gguf.GGUFReader(source)
    kind_of = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    if other := next((name for name, kind in kind_of.items() if kind not in ("F32", "F16", "BF16")), None):
        raise CannotQuantize(f"{source} is quantized already ('{other}' is {kind_of[other]}). Start from a file in 16 bits.")
    writer = _writer(gguf, reader, target, recipe)
    layers = 1 + max((int(name.split(".")[1]) for name in kind_of if name.startswith("blk.")), default=-1)
    plan = [(tensor, *_target(tensor, recipe, layers, tied="output.weight" not in kind_of)) for tensor in reader.tensors]
    for tensor, shape, kind in plan:
        raw = gguf.GGMLQuantizationType[kind]
        plain = kind in ("F32", "F16")
        stored = shape if plain else (*shape[:-1], stored_bytes((shape[-1],), kind))
        dtype = np.dtype(np.float32 if kind == "F32" else np.float16 if kind == "F16" else np.uint8)
        writer.add_tensor_info(tensor.name, stored, dtype, stored_bytes(shape, kind), None if plain else raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    with ThreadPoolExecutor(threads) as pool:
        for done, (tensor, shape, kind) in enumerate(plan):
            writer.write_tensor_data(_converted(lib, pool, tensor, shape, kind))
            progress((done + 1) / len(plan))
    writer.close()


def _target(tensor: Any, recipe: str, layers: int, *, tied: bool) -> tuple[tuple[int, ...], str]:
    shape = tuple(int(side) for side in reversed(tensor.shape))
    kind = tensor_type(tensor.name, shape, recipe, layers, tied=tied)
    return shape, "F32" if tensor.tensor_type.name == "F32" and len(shape) < 2 else kind


def _converted(lib: Any, pool: ThreadPoolExecutor, tensor: Any, shape: tuple[int, ...], kind: str) -> Any:
    """The tensor's bytes in its new format."""
    values = _floats(tensor).reshape(-1, shape[-1]) if len(shape) > 1 else _floats(tensor)
    if kind in ("F32", "F16"):
        return np.ascontiguousarray(values.reshape(shape), np.float32 if kind == "F32" else np.float16)
    pieces = [np.ascontiguousarray(values[at : at + _ROWS_TOGETHER], np.float32) for at in range(0, len(values), _ROWS_TOGETHER)]
    made = np.concatenate(list(pool.map(partial(llamacpp.quantized, lib, kind=kind), pieces)))
    return made.reshape(*shape[:-1], -1)


def _floats(tensor: Any) -> Any:
    if tensor.tensor_type.name == "BF16":
        return (tensor.data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return tensor.data


def _writer(gguf: Any, reader: Any, target: Path, recipe: str) -> Any:
    """A file with the facts of the other one."""
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name in _OWN_KEYS:
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    writer.add_file_type(FILE_TYPE[recipe])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    return writer
