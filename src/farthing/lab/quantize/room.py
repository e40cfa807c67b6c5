"""Is there enough disk and memory? Asked before anything is written, so that nothing stops half way."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from farthing.lab.quantize.base import CannotQuantize, Method
from farthing.models.local.memory import memory_available

_GIB = 1024**3
_RUNTIME = _GIB // 8  # bytes that a measuring process holds beside the model
_TORCH = _GIB // 2


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes."""

    disk: int
    memory: int


def needed(weight_bytes: int, parameters: int, method: Method) -> Room:
    """What a run takes at its peak. GGUF: the 16-bit file and the result on disk, the larger of both in memory (mapped). llm-compressor: the
    model in float32 twice (weights, and what calibration holds for one layer comes on top), the result on disk."""
    small = int(parameters * method.bits / 8)
    if method.family == "gguf":
        return Room(disk=2 * parameters + small, memory=2 * parameters + _RUNTIME)
    return Room(disk=small + parameters // 2, memory=max(8 * parameters, weight_bytes) + _TORCH)


def available(out: Path) -> Room:
    """On the disk that `out` will lie on, and in memory."""
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    return Room(shutil.disk_usage(place).free, memory_available())


def refuse_shortage(need: Room, have: Room, out: Path) -> None:
    """Raises `CannotQuantize` when one of them does not suffice."""
    if need.disk > have.disk:
        raise CannotQuantize(f"{out} needs {_gib(need.disk)} of disk, {_gib(have.disk)} are free. Free some, or give --out on another disk.")
    if need.memory > have.memory:
        raise CannotQuantize(f"This needs {_gib(need.memory)} of memory, {_gib(have.memory)} are free. Stop something, or use a larger machine.")


def _gib(size: int) -> str:
    return f"{size / _GIB:.2f} GiB"
