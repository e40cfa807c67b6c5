"""What this machine has for a model: its NVIDIA GPU where one is seen, else its memory."""

import shutil
import subprocess
from dataclasses import dataclass

from farthing.models.local.memory import memory_available

_QUERY = ("--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True)
class Machine:
    """`memory_bytes` is the GPU's where there is one, the memory that is free otherwise."""

    memory_bytes: int
    gpu: str | None = None
    gpu_capability: float | None = None


def machine() -> Machine:
    """The largest GPU that nvidia-smi knows of, or none."""
    if shutil.which("nvidia-smi") is None:
        return Machine(memory_available())
    done = subprocess.run(["nvidia-smi", *_QUERY], capture_output=True, text=True, timeout=20, check=False)
    return read_gpus(done.stdout) or Machine(memory_available())


def read_gpus(text: str) -> Machine | None:
    """The largest row of nvidia-smi's table (name, MiB, capability)."""
    found: list[Machine] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.rsplit(",", 2)]
        try:
            found.append(Machine(int(cells[1]) * 1024**2, cells[0], float(cells[2])))
        except (IndexError, ValueError):
            continue
    return max(found, key=lambda one: one.memory_bytes, default=None)
