"""A checkpoint as Hugging Face writes them, opened without torch: config.json and tensors in safetensors files.

Guarantees: what `open_checkpoint` returns is whole: every shard is there, every tensor lies within its file, and the tensors of a decoder
are all there. Everything else is a `CannotQuantize` that says what is wrong with which file.
Costs: reads headers only; a tensor is read (memory-mapped) when it is asked for.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from farthing.lab.quantize.base import CannotQuantize

_DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "F64": np.dtype("<f8")}
_LARGEST_HEADER = 100_000_000  # bytes; the format's own limit

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor lies: bytes `start` to `end` of `file`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    end: int

    def read(self) -> Array:
        """The values, in float32 or float16; brain floats become float32."""
        flat = np.memmap(self.file, _DTYPES[self.dtype], "r", self.start, (self.end - self.start) // _DTYPES[self.dtype].itemsize)
        if self.dtype == "BF16":
            flat = (flat.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(flat).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model on disk."""

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def architecture(self) -> str:
        """Class name of the model, such as LlamaForCausalLM."""
        return str((self.config.get("architectures") or ["none"])[0])

    @property
    def layers(self) -> int:
        return int(self.config["num_hidden_layers"])

    @property
    def parameters(self) -> int:
        return sum(int(np.prod(tensor.shape)) for tensor in self.tensors.values())

    @property
    def weight_bytes(self) -> int:
        return sum(tensor.end - tensor.start for tensor in self.tensors.values())

    def rope_theta(self) -> float:
        """Base of the rotary positions, under its old or its new name."""
        new: Any = self.config.get("rope_parameters") or {}
        return float(self.config.get("rope_theta") or new.get("rope_theta") or 10000.0)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Raises `CannotQuantize`."""
    if not folder.is_dir():
        raise CannotQuantize(f"{folder} is not a folder. Give the folder of a checkpoint: config.json beside *.safetensors.")
    config = _json(folder / "config.json")
    if not config.get("architectures"):
        raise CannotQuantize(f'{folder / "config.json"} names no architecture. It should hold: "architectures": ["LlamaForCausalLM"].')
    if "quantization_config" in config:
        raise CannotQuantize(f"{folder} is quantized already (config.json has a quantization_config). Start from the original.")
    tensors = {tensor.name: tensor for shard in _shards(folder) for tensor in _header(shard)}
    found = Checkpoint(folder, config, tensors)
    _refuse_gaps(found)
    return found


def _json(file: Path) -> dict[str, Any]:
    try:
        held = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise CannotQuantize(f"{file} is missing. Give the folder of a checkpoint: config.json beside *.safetensors.") from None
    except (OSError, ValueError) as fault:
        raise CannotQuantize(f"{file} cannot be read as JSON: {fault}. Download it again.") from fault
    if not isinstance(held, dict):
        raise CannotQuantize(f"{file} holds no JSON object. Download it again.")
    return cast(dict[str, Any], held)


def _shards(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if index.exists():
        names = sorted(set(_json(index).get("weight_map", {}).values()))
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise CannotQuantize(f"{folder} lacks {len(missing)} of its {len(names)} shards: {', '.join(missing[:3])}. Download them again.")
        return [folder / name for name in names]
    found = sorted(folder.glob("*.safetensors"))
    if not found:
        other = next((path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in sorted(folder.glob(pattern))), None)
        hint = f" {other} is a pickle, which can run code: save it as safetensors first." if other else " Download the weights again."
        raise CannotQuantize(f"{folder} holds no *.safetensors file.{hint}")
    return found


def _header(file: Path) -> Iterator[Tensor]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
            raise CannotQuantize(f"{file} is no whole safetensors file: its header does not fit into its {size:,} bytes. Download it again.")
        try:
            rows = json.loads(stream.read(length))
        except ValueError as fault:
            raise CannotQuantize(f"{file} has a damaged header: {fault}. Download it again.") from fault
    for name, row in rows.items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + int(edge) for edge in row["data_offsets"])
        if end > size:
            raise CannotQuantize(f"{file} is cut off: '{name}' ends at byte {end:,}, the file at {size:,}. Download it again.")
        if row["dtype"] not in _DTYPES:
            raise CannotQuantize(f"{file}: '{name}' is of type {row['dtype']}; weights must be F32, F16 or BF16. Start from the original.")
        shape = tuple(int(side) for side in row["shape"])
        if int(np.prod(shape)) * _DTYPES[row["dtype"]].itemsize != end - start:
            raise CannotQuantize(f"{file}: '{name}' has a shape of {shape} and {end - start:,} bytes, which do not match. Download it again.")
        yield Tensor(name, row["dtype"], shape, file, start, end)


def _refuse_gaps(found: Checkpoint) -> None:
    for key in ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size"):
        if not isinstance(found.config.get(key), int):
            raise CannotQuantize(f"{found.folder / 'config.json'} has no whole number for {key}. Only decoders (…ForCausalLM) can be quantized.")
    if not found.architecture.endswith("ForCausalLM"):
        raise CannotQuantize(f"{found.architecture} is not supported: only decoders (…ForCausalLM) can be quantized.")
    layers = {name.split(".")[2] for name in found.tensors if name.startswith("model.layers.")}
    if len(layers) != found.layers:
        raise CannotQuantize(f"{found.folder} holds {len(layers)} layers, config.json says {found.layers}. A shard is missing: download again.")
