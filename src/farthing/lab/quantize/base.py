"""What every step of a quantization speaks of: methods as rows, what was measured, and what can go wrong."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from farthing.core.errors import FarthingError
from farthing.lab.statistics import Estimate

Family = Literal["gguf", "compressed"]

GGUF_INSTALL = "pip install 'farthing[local]'"
TORCH_INSTALL = "pip install 'farthing[quantize]' (without a GPU install the CPU build of torch 2.13.0 first, or gigabytes of CUDA follow)"


class CannotQuantize(FarthingError):
    """The checkpoint, the machine or the request does not allow it; nothing was written."""

    code = "cannot_quantize"


class ToolMissing(CannotQuantize):
    """What the method runs on is not installed; the message holds the install line."""

    code = "tool_missing"


class QualityLost(CannotQuantize):
    """The quantized model is worse than `--max-drop` allows; the original stays, the result is gone."""

    code = "quality_lost"


@dataclass(frozen=True, slots=True)
class Method:
    """One way to make a model smaller."""

    name: str
    family: Family
    bits: float  # of a weight of the large matrices, scales included
    calibrated: bool  # looks at texts
    engines: tuple[str, ...]  # that load the result, best first
    says: str


METHODS = {
    row.name: row
    for row in (
        Method("gguf:q8_0", "gguf", 8.5, False, ("llama.cpp",), "8 bits in blocks of 32: next to nothing lost, half the size"),
        Method("gguf:q4_k_m", "gguf", 4.85, False, ("llama.cpp",), "4 bits in blocks of 256, 6 where it matters most"),
        Method("gguf:f16", "gguf", 16.0, False, ("llama.cpp",), "no loss: only the other file format"),
        Method("gptq:w4a16", "compressed", 4.25, True, ("vllm", "sglang"), "4 bits in groups of 128, errors made good column by column (GPTQ)"),
        Method("awq:w4a16", "compressed", 4.25, True, ("vllm", "sglang"), "4 bits in groups of 128, channels that matter scaled up first (AWQ)"),
        Method("int8:w8a8", "compressed", 8.0, True, ("vllm", "sglang"), "weights and activations of 8 bits: integer arithmetic, for throughput"),
        Method("rtn:w4a16", "compressed", 4.25, False, ("vllm", "sglang"), "4 bits, rounded to nearest: the reference that GPTQ must beat"),
        Method("rtn:w4a16_asym", "compressed", 4.25, False, ("vllm", "sglang"), "the same with a zero point: the reference that AWQ must beat"),
    )
}


class Spec(msgspec.Struct, frozen=True):
    """What was asked for. Two runs with the same one give the same files."""

    model: str  # folder, or GGUF file
    method: str
    seed: int = 0
    calibration: str | None = None  # file; None: Python's own help texts
    evaluation: str | None = None  # text, or JSON lines with prompt and answer; None: Python's own help texts
    max_drop: float | None = None  # largest relative rise of the perplexity: 0.05 for 5 %
    windows: int = 64  # of `window_tokens` each, for the perplexity
    window_tokens: int = 256
    calibration_samples: int = 256


class Measured(msgspec.Struct, frozen=True):
    """One model on this machine. `None` is unknown: the engine that would serve it is not here."""

    size_bytes: int
    nll: tuple[float, ...] = ()  # summed negative log-likelihood in nats, by window
    scored: tuple[int, ...] = ()  # tokens that it is summed over, by window
    right: tuple[int, ...] = ()  # task accuracy: 1 where greedy decoding gives the answer
    prefill_tokens_per_s: float | None = None
    decode_tokens_per_s: float | None = None
    memory_bytes: int | None = None  # most that the measuring process held
    engine: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """Before and after, and what lies between them."""

    before: Measured
    after: Measured
    perplexity_before: float
    perplexity_after: float
    ratio: Estimate  # perplexity after over before, over the same windows
    accuracy_before: Estimate | None = None
    accuracy_after: Estimate | None = None
