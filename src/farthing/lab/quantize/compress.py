"""GPTQ, AWQ and int8 by llm-compressor, in a process of its own: `python -m farthing.lab.quantize.compress ASKED.json`.

Writes a folder in the compressed-tensors format, which vLLM and SGLang load as it is. Tokenizer and configuration go with it.
torch, transformers and llm-compressor (extra `quantize`) are imported here alone. Deterministic by seed on one machine and thread count.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from farthing.lab.quantize.base import TORCH_INSTALL, CannotQuantize, ToolMissing

# Output layers stay in 16 bits, as everywhere: they cost little and hurt most.
_WHERE = {"targets": ["Linear"], "ignore": ["lm_head"]}


class AskedToCompress(msgspec.Struct, frozen=True):
    """What to make of what."""

    model: str
    out: str
    method: str
    calibration: str  # text
    samples: int
    sample_tokens: int
    seed: int
    threads: int


class TorchModel:
    """A checkpoint in transformers, in float32 on the CPU: for perplexity, not for speed. Compressed ones are unpacked as they load."""

    def __init__(self, folder: str, threads: int) -> None:
        torch = self._torch = guest("torch")
        transformers = guest("transformers")
        torch.set_num_threads(threads)
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self._model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def tokens(self, text: str) -> list[int]:
        """Token ids, none added."""
        return self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    def logits(self, tokens: list[int]) -> npt.NDArray[np.float32]:
        """[tokens, vocabulary]."""
        with self._torch.no_grad():
            return self._model(self._torch.tensor([tokens])).logits[0].float().numpy()


def guest(name: str) -> Any:
    """A module of the extra. Raises `ToolMissing`."""
    try:
        return importlib.import_module(name)
    except ImportError as fault:
        raise ToolMissing(f"GPTQ, AWQ and int8 need llm-compressor ({fault}): {TORCH_INSTALL}") from fault


def compress(asked: AskedToCompress) -> None:
    """Write `asked.out`. Raises `CannotQuantize`."""
    torch, transformers, compressor = guest("torch"), guest("transformers"), guest("llmcompressor")
    torch.set_num_threads(asked.threads)
    transformers.set_seed(asked.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(asked.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(asked.model, dtype=torch.float32)
    ids = tokenizer(asked.calibration, add_special_tokens=False, verbose=False)["input_ids"]
    rows = [ids[at : at + asked.sample_tokens] for at in range(0, len(ids) - asked.sample_tokens + 1, asked.sample_tokens)]
    if len(rows) < 8:
        raise CannotQuantize(f"The calibration text has {len(ids)} tokens; at least {8 * asked.sample_tokens} are needed. Give a longer one.")
    _allow_no_accelerator(torch)
    chosen = np.random.default_rng(asked.seed).permutation(len(rows))[: asked.samples]
    samples = [{"input_ids": rows[at], "attention_mask": [1] * asked.sample_tokens} for at in sorted(chosen)]
    compressor.oneshot(
        model=model,
        tokenizer=tokenizer,
        dataset=guest("datasets").Dataset.from_list(samples),
        recipe=_recipe(asked.method),
        max_seq_length=asked.sample_tokens,
        num_calibration_samples=len(samples),
        shuffle_calibration_samples=False,
    )
    model.to(_dtype_of(asked.model, torch))  # what stays wide is as wide as it was
    model.save_pretrained(asked.out, save_compressed=True)
    tokenizer.save_pretrained(asked.out)


def _dtype_of(folder: str, torch: Any) -> Any:
    """Of the original's weights, as its configuration says."""
    config: dict[str, Any] = json.loads((Path(folder) / "config.json").read_text("utf-8"))
    return getattr(torch, str(config.get("dtype") or config.get("torch_dtype") or "float16"))


def _allow_no_accelerator(torch: Any) -> None:
    """llm-compressor 0.14 pins memory for AWQ without asking whether there is a device to pin it for, and torch then refuses."""
    if not torch.accelerator.is_available():
        guest("llmcompressor.pipelines.cache").IntermediatesCache.pin_memory = _nothing


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _recipe(method: str) -> list[Any]:
    quantization = guest("llmcompressor.modifiers.quantization")
    plain, gptq = quantization.QuantizationModifier, quantization.GPTQModifier
    if method == "gptq:w4a16":
        return [gptq(scheme="W4A16", **_WHERE)]
    if method == "awq:w4a16":
        # "both": scales by activations alone are tried too, and each layer keeps the better ones.
        return [guest("llmcompressor.modifiers.transform.awq").AWQModifier(duo_scaling="both"), plain(scheme="W4A16_ASYM", **_WHERE)]
    if method == "int8:w8a8":
        smooth = guest("llmcompressor.modifiers.transform.smoothquant").SmoothQuantModifier(smoothing_strength=0.8)
        return [smooth, gptq(scheme="W8A8", **_WHERE)]
    return [plain(scheme=method.partition(":")[2].upper(), **_WHERE)]


def main() -> None:
    """A mistake is one line at the end of stderr, and status 1."""
    try:
        compress(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=AskedToCompress))
    except CannotQuantize as mistake:
        raise SystemExit(mistake.message) from None


if __name__ == "__main__":
    main()
