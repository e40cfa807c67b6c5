"""How much memory a model takes, estimated from its file, and whether it fits beside the others. Nothing is loaded for it.

Weights as they lie on the disk, keys and values of every slot in 16 bits, the host's prompt cache, and what engines hold beside them. Seen against
llama.cpp: within 10 % from 100 MB on. `memory_gb` of the configuration wins over the estimate.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.config import Local
from farthing.models.local.errors import ModelUnusable, NoRoom
from farthing.models.local.gguf import read_head

GIB = 1024**3
_BESIDE = 96 * 1024**2  # bytes: the process, its compute buffers for a small model
_KV_BYTES = 2  # 16 bits


@dataclass(frozen=True, slots=True)
class Shape:
    """What keys and values depend on. `None`: the file does not say."""

    layers: int | None
    kv_heads: int | None
    key_length: int | None
    weight_bytes: int


def shape_of(model: str) -> Shape:
    """Of a GGUF file or a folder. Raises `ModelUnusable`."""
    path = Path(model)
    if path.is_dir():
        return _checkpoint_shape(path)
    head = read_head(path)
    heads, width = head.number("attention.head_count"), head.number("embedding_length")
    length = head.number("attention.key_length") or (width // heads if heads and width else None)
    return Shape(head.number("block_count"), head.number("attention.head_count_kv") or heads, length, head.size_bytes)


def estimate(local: Local, shape: Shape) -> int:
    """Bytes."""
    if local.memory_gb is not None:
        return int(local.memory_gb * 1e9)
    per_token = 2 * _KV_BYTES * (shape.layers or 0) * (shape.kv_heads or 0) * (shape.key_length or 0)
    return shape.weight_bytes + per_token * local.context_tokens * local.slots + local.prompt_cache_mb * 1024**2 + _BESIDE


def refuse_shortage(needs: dict[str, int], free: int) -> None:
    """Raises `NoRoom` for the first that does not fit beside those before it."""
    taken = 0
    for name, need in needs.items():
        if taken + need > free:
            beside = f" beside {', '.join(other for other in needs if other != name)}" if taken else ""
            text = f"'{name}' takes about {need / GIB:.2f} GiB, and {max(0, free - taken) / GIB:.2f} GiB of memory are left{beside}."
            raise NoRoom(f"{text} Lower local.{name}.context_tokens or slots, quantize it further, or stop something.")
        taken += need


def memory_available() -> int:
    """Bytes that can be had without swapping: the kernel's estimate, under the limit of the control group."""
    try:
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit, used = (int(Path("/sys/fs/cgroup", name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no limit is the word "max"
        return free
    return min(free, limit - used)


def _checkpoint_shape(folder: Path) -> Shape:
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise ModelUnusable(f"{folder / 'config.json'} cannot be read: {fault}. Copy the checkpoint again.") from fault
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    if not weights:
        raise ModelUnusable(f"{folder} holds no *.safetensors file. Copy the checkpoint again.")
    heads, width = config.get("num_attention_heads"), config.get("hidden_size")
    length = config.get("head_dim") or (width // heads if heads and width else None)
    return Shape(config.get("num_hidden_layers"), config.get("num_key_value_heads") or heads, length, weights)
