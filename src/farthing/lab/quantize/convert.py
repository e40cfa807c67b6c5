"""A checkpoint as a GGUF file in 16 bits, the form that llama.cpp quantizes and serves.

For decoders of the Llama kind (rows of `ARCHITECTURES`) with a byte-level BPE or SentencePiece vocabulary. Others: convert them with llama.cpp's
own `convert_hf_to_gguf.py` and give `farthing quantize` the .gguf file. The `gguf` package (llama.cpp's) writes the file and knows the names.
Costs: one tensor in memory at a time; as fast as the disk.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from farthing.lab.quantize.base import GGUF_INSTALL, CannotQuantize, ToolMissing
from farthing.lab.quantize.checkpoint import Array, Checkpoint
from farthing.lab.quantize.recipe import FILE_TYPE, stored_bytes, tensor_type

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Architecture:
    """How a model class is called in llama.cpp, and whether its query and key rows change order there."""

    name: str
    permuted: bool


ARCHITECTURES = {
    "LlamaForCausalLM": Architecture("llama", True),
    "MistralForCausalLM": Architecture("llama", True),
    "Qwen2ForCausalLM": Architecture("qwen2", False),
    "Qwen3ForCausalLM": Architecture("qwen3", False),
}
# The regular expression that cuts words before BPE -> its name in llama.cpp. None: ByteLevel's own, as in GPT-2.
_LLAMA3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
_CUTS = {None: "gpt-2", _LLAMA3: "llama-bpe", _LLAMA3.replace("\\p{N}{1,3}", "\\p{N}"): "qwen2"}
_NORMAL, _CONTROL, _ADDED = 1, 3, 4  # llama.cpp's kinds of tokens


def library() -> Any:
    """The `gguf` package."""
    try:
        import gguf
    except ImportError:
        raise ToolMissing(f"GGUF files need the gguf package: {GGUF_INSTALL}") from None
    return gguf


def refuse_unsupported(checkpoint: Checkpoint) -> None:
    """Raises `CannotQuantize` for what `to_gguf` could not write."""
    if checkpoint.architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        text = f"{checkpoint.architecture} cannot be turned into GGUF here (known: {known})."
        raise CannotQuantize(f"{text} Convert it with llama.cpp's convert_hf_to_gguf.py and give the .gguf file in place of the folder.")
    scaling: Any = checkpoint.config.get("rope_scaling") or checkpoint.config.get("rope_parameters") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind not in ("default", "linear"):
        text = f"Rotary positions of type '{kind}' cannot be turned into GGUF here."
        raise CannotQuantize(f"{text} Convert it with llama.cpp's convert_hf_to_gguf.py and give the .gguf file in place of the folder.")
    _vocabulary(checkpoint)


def to_gguf(checkpoint: Checkpoint, file: Path, progress: Progress) -> None:
    """Write `file`. Raises `CannotQuantize`."""
    gguf = library()
    architecture = ARCHITECTURES[checkpoint.architecture]
    writer = gguf.GGUFWriter(file, architecture.name)
    _facts(writer, checkpoint)
    _write_vocabulary(writer, checkpoint)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.name.upper()], checkpoint.layers)
    listed = list(_listed(checkpoint, names))
    for _, name, shape in listed:
        kind = tensor_type(name, shape, "f16", checkpoint.layers, tied=False)
        writer.add_tensor_info(name, shape, np.dtype(np.float32 if kind == "F32" else np.float16), stored_bytes(shape, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for done, (source, _, shape) in enumerate(listed):
        values = checkpoint.tensors[source].read()
        if architecture.permuted and source.endswith(("q_proj.weight", "k_proj.weight", "q_proj.bias", "k_proj.bias")):
            values = _permuted(values, _heads(checkpoint, source))
        writer.write_tensor_data(np.ascontiguousarray(values, dtype=np.float32 if len(shape) < 2 else np.float16))
        progress((done + 1) / len(listed))
    writer.close()


def _listed(checkpoint: Checkpoint, names: Any) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """(name in the checkpoint, name in the GGUF, shape); the output matrix of tied embeddings is not written twice."""
    for source, tensor in checkpoint.tensors.items():
        if source.endswith((".rotary_emb.inv_freq", ".attention.masked_bias")):
            continue
        if source == "lm_head.weight" and checkpoint.config.get("tie_word_embeddings"):
            continue
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise CannotQuantize(f"'{source}' has no counterpart in llama.cpp's {checkpoint.architecture}. Is this a plain checkpoint?")
        yield source, name, tensor.shape


def _permuted(values: Array, heads: int) -> Array:
    """Rotary pairs side by side, as llama.cpp wants the rows of query and key; Hugging Face has the halves apart."""
    return values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def _heads(checkpoint: Checkpoint, name: str) -> int:
    heads = checkpoint.config["num_attention_heads"]
    return int(heads if ".q_proj" in name else checkpoint.config.get("num_key_value_heads") or heads)


def _facts(writer: Any, checkpoint: Checkpoint) -> None:
    config = checkpoint.config
    heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
    size = int(config.get("head_dim") or hidden // heads)
    writer.add_name(checkpoint.folder.resolve().name)
    writer.add_file_type(FILE_TYPE["f16"])
    writer.add_vocab_size(int(config["vocab_size"]))
    writer.add_context_length(int(config.get("max_position_embeddings") or 2048))
    writer.add_embedding_length(hidden)
    writer.add_block_count(checkpoint.layers)
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(checkpoint.rope_theta())
    writer.add_layer_norm_rms_eps(float(config.get("rms_norm_eps") or 1e-6))
    scaling: Any = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if (scaling.get("rope_type") or scaling.get("type")) == "linear":
        writer.add_rope_scaling_type(library().RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(scaling["factor"]))


def _vocabulary(checkpoint: Checkpoint) -> tuple[dict[str, Any], str]:
    """tokenizer.json, and llama.cpp's name for how it cuts words."""
    file = checkpoint.folder / "tokenizer.json"
    try:
        held: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise CannotQuantize(f"{file} cannot be read: {fault}. A GGUF file holds its tokenizer, so it is needed.") from fault
    if held.get("model", {}).get("type") != "BPE" or not (cut := _cut(held)):
        text = f"The tokenizer in {file} is not one of those known here (byte-level BPE of GPT-2, Llama 3 or Qwen)."
        raise CannotQuantize(f"{text} Convert the model with llama.cpp's convert_hf_to_gguf.py and give the .gguf file in place of the folder.")
    return held, cut


def _cut(held: dict[str, Any]) -> str | None:
    before: dict[str, Any] = held.get("pre_tokenizer") or {}
    steps: list[dict[str, Any]] = before.get("pretokenizers") or [before]
    if not any(step.get("type") == "ByteLevel" for step in steps):
        return None
    pattern = next((step["pattern"].get("Regex") for step in steps if step.get("type") == "Split"), None)
    return _CUTS.get(pattern)


def _write_vocabulary(writer: Any, checkpoint: Checkpoint) -> None:
    held, cut = _vocabulary(checkpoint)
    size = int(checkpoint.config["vocab_size"])
    texts = {number: text for text, number in held["model"]["vocab"].items()}
    kinds = dict.fromkeys(texts, _NORMAL)
    for row in held.get("added_tokens") or ():
        texts[row["id"]], kinds[row["id"]] = row["content"], _CONTROL if row.get("special") else _ADDED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut)
    writer.add_token_list([texts.get(number, f"[PAD{number}]") for number in range(size)])
    writer.add_token_types([kinds.get(number, 5) for number in range(size)])
    library().SpecialVocab(checkpoint.folder, load_merges=True, n_vocab=size).add_to_gguf(writer, quiet=True)
