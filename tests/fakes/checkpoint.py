"""Checkpoints with random weights, of any size, as Hugging Face writes them: for what does not depend on the values (speed, formats, mistakes).

`python -m tests.fakes.checkpoint FOLDER --hidden 2048 --layers 22` writes one; a gigabyte takes some seconds, in little memory.
"""

import argparse
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Size:
    """A Llama of that size. The defaults: 0.4 million parameters."""

    hidden: int = 256
    middle: int = 512
    layers: int = 1
    heads: int = 4
    kv_heads: int = 2
    vocabulary: int = 320
    context: int = 512
    architecture: str = "LlamaForCausalLM"


def write_checkpoint(folder: Path, size: Size | None = None, *, seed: int = 0, scale: float = 0.02) -> Path:
    """config.json, model.safetensors in float16, and a byte-level tokenizer."""
    size = size or Size()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(_config(size), indent=1))
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>", "tokenizer_class": "PreTrainedTokenizerFast"}))
    _write_tensors(folder / "model.safetensors", list(_shapes(size)), seed, scale)
    return folder


def _config(size: Size) -> dict[str, Any]:
    return {
        "architectures": [size.architecture], "model_type": "llama", "hidden_size": size.hidden, "intermediate_size": size.middle,
        "num_hidden_layers": size.layers, "num_attention_heads": size.heads, "num_key_value_heads": size.kv_heads, "vocab_size": size.vocabulary,
        "max_position_embeddings": size.context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "eos_token_id": 256, "hidden_act": "silu", "dtype": "float16",
    }  # fmt: skip


def _tokenizer() -> dict[str, Any]:
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain} | {byte: chr(256 + at) for at, byte in enumerate(sorted(set(range(256)) - set(plain)))}
    vocabulary = {letters[byte]: byte for byte in range(256)} | {"<|end|>": 256, "th": 257}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": 256, "content": "<|end|>", "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        ],
        "pre_tokenizer": level,
        "decoder": level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": [["t", "h"]]},
    }


def _shapes(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    width = size.hidden // size.heads
    yield "model.embed_tokens.weight", (size.vocabulary, size.hidden)
    for layer in range(size.layers):
        part = f"model.layers.{layer}"
        yield f"{part}.input_layernorm.weight", (size.hidden,)
        yield f"{part}.self_attn.q_proj.weight", (size.heads * width, size.hidden)
        yield f"{part}.self_attn.k_proj.weight", (size.kv_heads * width, size.hidden)
        yield f"{part}.self_attn.v_proj.weight", (size.kv_heads * width, size.hidden)
        yield f"{part}.self_attn.o_proj.weight", (size.hidden, size.heads * width)
        yield f"{part}.post_attention_layernorm.weight", (size.hidden,)
        yield f"{part}.mlp.gate_proj.weight", (size.middle, size.hidden)
        yield f"{part}.mlp.up_proj.weight", (size.middle, size.hidden)
        yield f"{part}.mlp.down_proj.weight", (size.hidden, size.middle)
    yield "model.norm.weight", (size.hidden,)


def _write_tensors(file: Path, shapes: list[tuple[str, tuple[int, ...]]], seed: int, scale: float) -> None:
    at, header = 0, {}
    for name, shape in shapes:
        end = at + 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, end]}
        at = end
    head = json.dumps(header).encode()
    random = np.random.default_rng(seed)
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(head)) + head)
        for _, shape in shapes:
            if len(shape) == 1:
                stream.write(np.ones(shape, np.float16).tobytes())
                continue
            for row in range(0, shape[0], 1024):
                rows = (min(1024, shape[0] - row), shape[1])
                stream.write((random.standard_normal(rows, np.float32) * scale).astype(np.float16).tobytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    defaults = Size()
    for name in ("hidden", "middle", "layers", "heads", "kv_heads", "vocabulary", "context"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(defaults, name))
    options = vars(parser.parse_args())
    write_checkpoint(options.pop("folder"), Size(**options))


if __name__ == "__main__":
    main()
