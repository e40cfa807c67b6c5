"""Which method for which model, machine and engine: a table read from top to bottom, and every verdict with its reason.

A pure decision over facts. The drops are what is usually reported for models from one billion parameters on (llama.cpp's own tables for K-quants,
the GPTQ, AWQ and SmoothQuant papers); small models lose more, so that the figure of the run counts, not this one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from farthing.lab.quantize.base import METHODS
from farthing.lab.quantize.checkpoint import Checkpoint
from farthing.lab.quantize.convert import ARCHITECTURES
from farthing.lab.quantize.machine import Machine

Engine = Literal["llama.cpp", "vllm", "sglang"]
_GIB = 1024**3
_INT8_CAPABILITY = 7.5  # Turing, the first with integer tensor cores
_MOST_OF_MEMORY = 0.8  # for weights
_SMALL = 1_000_000_000  # parameters under which 4 bits cost noticeably more

# Usual rise of the perplexity, as a share.
DROPS = {"gguf:q8_0": 0.002, "int8:w8a8": 0.01, "gguf:q4_k_m": 0.03, "awq:w4a16": 0.04, "gptq:w4a16": 0.05}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the advice rests on."""

    architecture: str
    parameters: int
    memory_bytes: int  # that the model may take: the GPU's, or the machine's
    gpu: str | None = None  # its name; None: none seen
    gpu_capability: float | None = None  # CUDA's, such as 8.0 for Ampere
    engine: Engine | None = None  # wanted; None: choose
    max_drop: float = 0.05
    group_divides: bool = True  # rows are multiples of 128


@dataclass(frozen=True, slots=True)
class Advice:
    """A method, the engine that serves it, and why; `method` None: none fits."""

    method: str | None
    engine: Engine
    reasons: tuple[str, ...]


# What speaks against a method, in words; `None`: nothing does.
_Bar = Callable[[str, Facts, Engine], str | None]


def _engine_bar(method: str, _: Facts, engine: Engine) -> str | None:
    return None if engine in METHODS[method].engines else f"{engine} does not load it"


def _architecture_bar(method: str, facts: Facts, _: Engine) -> str | None:
    barred = METHODS[method].family == "gguf" and facts.architecture not in ARCHITECTURES
    return f"{facts.architecture} is not converted to GGUF here" if barred else None


def _group_bar(method: str, facts: Facts, _: Engine) -> str | None:
    barred = method.endswith("w4a16") and not facts.group_divides
    return "rows of the model are no multiple of its groups of 128" if barred else None


def _capability_bar(method: str, facts: Facts, _: Engine) -> str | None:
    barred = method == "int8:w8a8" and facts.gpu_capability is not None and facts.gpu_capability < _INT8_CAPABILITY
    return f"{facts.gpu} has no 8-bit tensor cores (compute capability {facts.gpu_capability})" if barred else None


def _memory_bar(method: str, facts: Facts, _: Engine) -> str | None:
    size = size_bytes(method, facts.parameters)
    barred = size > _MOST_OF_MEMORY * facts.memory_bytes
    return f"{size / _GIB:.1f} GiB do not leave a fifth of {facts.memory_bytes / _GIB:.1f} GiB to keys and values" if barred else None


def _drop_bar(method: str, facts: Facts, _: Engine) -> str | None:
    drop = expected_drop(method, facts.parameters)
    return f"about {drop:.1%} worse is expected, {facts.max_drop:.1%} is tolerated" if drop > facts.max_drop else None


_BARS: tuple[_Bar, ...] = (_engine_bar, _architecture_bar, _group_bar, _capability_bar, _memory_bar, _drop_bar)
# What is wanted first: the fastest that nothing speaks against. On a CPU and for few users decoding waits for memory, so the fewest bits win.
_ORDER: dict[Engine, tuple[str, ...]] = {
    "llama.cpp": ("gguf:q4_k_m", "gguf:q8_0"),
    "vllm": ("awq:w4a16", "gptq:w4a16", "int8:w8a8"),
    "sglang": ("awq:w4a16", "gptq:w4a16", "int8:w8a8"),
}


def advise(facts: Facts) -> Advice:
    """The first method in the engine's order that no bar stops."""
    engine = facts.engine or ("vllm" if facts.gpu else "llama.cpp")
    why_engine = (
        "asked for" if facts.engine else f"{facts.gpu} is here: it batches best" if facts.gpu else "no GPU is seen: it is the fastest on a CPU"
    )
    reasons = [f"engine {engine}: {why_engine}"]
    for method in _ORDER[engine]:
        stopped = next((why for bar in _BARS if (why := bar(method, facts, engine)) is not None), None)
        if stopped is None:
            size = size_bytes(method, facts.parameters) / _GIB
            drop = expected_drop(method, facts.parameters)
            reasons.append(f"{method}: {METHODS[method].says}; about {size:.2f} GiB, usually {drop:.1%} worse. The run measures it")
            return Advice(method, engine, tuple(reasons))
        reasons.append(f"not {method}: {stopped}")
    reasons.append("nothing fits: raise --max-drop, take a machine with more memory, or serve the original")
    return Advice(None, engine, tuple(reasons))


def facts_of(checkpoint: Checkpoint, machine: Machine, engine: Engine | None, max_drop: float | None) -> Facts:
    """Facts of a model on a machine; the tolerated drop is 5 % where none is given."""
    config = checkpoint.config
    sides = (config.get("hidden_size"), config.get("intermediate_size"))
    return Facts(
        architecture=checkpoint.architecture,
        parameters=checkpoint.parameters,
        memory_bytes=machine.memory_bytes,
        gpu=machine.gpu,
        gpu_capability=machine.gpu_capability,
        engine=engine,
        max_drop=0.05 if max_drop is None else max_drop,
        group_divides=all(isinstance(side, int) and side % 128 == 0 for side in sides),
    )


def size_bytes(method: str, parameters: int) -> int:
    """Of the weights."""
    return int(parameters * METHODS[method].bits / 8)


def expected_drop(method: str, parameters: int) -> float:
    """As a share; under a billion parameters four bits cost about twice as much."""
    return DROPS[method] * (2 if parameters < _SMALL and METHODS[method].bits < 6 else 1)
