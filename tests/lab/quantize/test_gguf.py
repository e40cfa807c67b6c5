"""From a checkpoint to GGUF files that llama.cpp loads, and back to the same numbers."""

import json
from pathlib import Path

import gguf
import numpy as np
import pytest

from farthing.lab.quantize import llamacpp
from farthing.lab.quantize.base import CannotQuantize
from farthing.lab.quantize.checkpoint import open_checkpoint
from farthing.lab.quantize.convert import refuse_unsupported, to_gguf
from farthing.lab.quantize.recipe import stored_bytes, tensor_type
from farthing.lab.quantize.shrink import shrink
from farthing.models.local.gguf import read_head
from tests.fakes.checkpoint import Size, write_checkpoint


def _wide(folder: Path, size: Size | None = None) -> Path:
    file = folder / "wide.gguf"
    to_gguf(open_checkpoint(write_checkpoint(folder / "model", size)), file, lambda _: None)
    return file


def test_the_file_holds_the_model_s_facts_tokens_and_numbers(tmp_path: Path) -> None:
    file = _wide(tmp_path, Size(layers=2))
    head = read_head(file)
    assert head.facts["general.architecture"] == "llama"
    assert [head.number(name) for name in ("block_count", "embedding_length", "attention.head_count_kv", "context_length")] == [2, 256, 2, 512]
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    source = open_checkpoint(tmp_path / "model").tensors
    np.testing.assert_array_equal(tensors["blk.1.ffn_down.weight"].data, source["model.layers.1.mlp.down_proj.weight"].read())
    query = source["model.layers.0.self_attn.q_proj.weight"].read()
    np.testing.assert_array_equal(tensors["blk.0.attn_q.weight"].data[:2], query[[0, 32]])  # rotary halves side by side


def test_llama_cpp_agrees_with_the_arithmetic_of_the_paper(tmp_path: Path) -> None:
    """One layer, by hand, in float32: embeddings, attention with rotary positions, SwiGLU, tied output."""
    size = Size()
    file = _wide(tmp_path, size)
    model = llamacpp.Model(file, context=64, threads=1)
    tokens = model.tokens("the cat")
    assert tokens[0] == 257
    found = model.logits(tokens)
    model.close()
    np.testing.assert_allclose(found, _forward(open_checkpoint(tmp_path / "model"), tokens, size), atol=2e-3)


def _forward(checkpoint: object, tokens: list[int], size: Size) -> np.ndarray:
    def weight(name: str) -> np.ndarray:
        return checkpoint.tensors[name].read().astype(np.float32)  # type: ignore[attr-defined]

    def norm(values: np.ndarray) -> np.ndarray:
        return values / np.sqrt((values**2).mean(-1, keepdims=True) + 1e-5)

    width, count = size.hidden // size.heads, len(tokens)
    angle = np.arange(count)[:, None] / 10000.0 ** (np.arange(0, width, 2) / width)

    def turned(values: np.ndarray) -> np.ndarray:  # [tokens, heads, width]
        one, other = np.split(values, 2, axis=-1)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        return np.concatenate([one * cos - other * sin, other * cos + one * sin], axis=-1)

    embedded = weight("model.embed_tokens.weight")
    hidden = embedded[tokens]
    layer = "model.layers.0."
    inside = norm(hidden)
    query = turned((inside @ weight(layer + "self_attn.q_proj.weight").T).reshape(count, size.heads, width))
    key = turned((inside @ weight(layer + "self_attn.k_proj.weight").T).reshape(count, size.kv_heads, width))
    value = (inside @ weight(layer + "self_attn.v_proj.weight").T).reshape(count, size.kv_heads, width)
    key, value = (np.repeat(part, size.heads // size.kv_heads, axis=1) for part in (key, value))
    scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(width) + np.triu(np.full((count, count), -np.inf), 1)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    hidden = hidden + np.einsum("hqk,khd->qhd", shares, value).reshape(count, -1) @ weight(layer + "self_attn.o_proj.weight").T
    inside = norm(hidden)
    gate = inside @ weight(layer + "mlp.gate_proj.weight").T
    hidden = hidden + (gate / (1 + np.exp(-gate)) * (inside @ weight(layer + "mlp.up_proj.weight").T)) @ weight(layer + "mlp.down_proj.weight").T
    return norm(hidden) @ embedded.T


@pytest.mark.parametrize(("recipe", "most"), [("q8_0", 0.55), ("q4_k_m", 0.36)])
def test_quantized_files_are_smaller_near_and_always_the_same(tmp_path: Path, recipe: str, most: float) -> None:
    wide = _wide(tmp_path, Size(layers=2))
    one, other = tmp_path / "one.gguf", tmp_path / "other.gguf"
    shrink(wide, one, recipe, 1, lambda _: None)
    shrink(wide, other, recipe, 2, lambda _: None)
    assert one.read_bytes() == other.read_bytes()
    assert one.stat().st_size < most * wide.stat().st_size
    before, after = (llamacpp.Model(file, context=64, threads=1) for file in (wide, one))
    tokens = before.tokens("the cat sat on the mat")
    old, new = before.logits(tokens), after.logits(tokens)
    before.close()
    after.close()
    assert np.corrcoef(old.ravel(), new.ravel())[0, 1] > (0.999 if recipe == "q8_0" else 0.97)


def test_the_recipe_is_llama_cpp_s() -> None:
    kinds = [tensor_type(f"blk.{layer}.attn_v.weight", (256, 256), "q4_k_m", 16, tied=False) for layer in range(16)]
    assert [layer for layer, kind in enumerate(kinds) if kind == "Q6_K"] == [0, 1, 4, 7, 10, 13, 14, 15]
    assert tensor_type("output.weight", (1000, 256), "q4_k_m", 16, tied=False) == "Q6_K"
    assert tensor_type("token_embd.weight", (1000, 256), "q4_k_m", 16, tied=False) == "Q4_K"
    assert tensor_type("token_embd.weight", (1000, 256), "q4_k_m", 16, tied=True) == "Q6_K"
    assert tensor_type("blk.1.attn_q.weight", (256, 96), "q4_k_m", 16, tied=False) == "Q5_0"  # no multiple of 256
    assert tensor_type("blk.0.ffn_down.weight", (256, 96), "q4_k_m", 16, tied=False) == "Q8_0"
    assert tensor_type("blk.0.attn_q.weight", (256, 80), "q4_k_m", 16, tied=False) == "F16"
    assert tensor_type("blk.0.attn_norm.weight", (256,), "q4_k_m", 16, tied=False) == "F32"
    assert stored_bytes((2, 256), "Q4_K") == 288


def test_what_is_quantized_already_is_refused(tmp_path: Path) -> None:
    wide, small = _wide(tmp_path), tmp_path / "small.gguf"
    shrink(wide, small, "q8_0", 1, lambda _: None)
    with pytest.raises(CannotQuantize, match="quantized already"):
        shrink(small, tmp_path / "smaller.gguf", "q4_k_m", 1, lambda _: None)


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", {"architectures": ["PhiForCausalLM"]}, "PhiForCausalLM cannot be turned into GGUF here"),
        ("config.json", {"rope_scaling": {"rope_type": "yarn"}}, "type 'yarn'"),
        ("tokenizer.json", {"model": {"type": "Unigram"}}, "is not one of those known here"),
        ("tokenizer.json", {"pre_tokenizer": {"type": "Whitespace"}}, "is not one of those known here"),
    ],
)
def test_what_cannot_be_converted_points_to_llama_cpp_s_own_tool(tmp_path: Path, file: str, change: dict[str, object], words: str) -> None:
    folder = write_checkpoint(tmp_path / "model")
    (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | change))
    with pytest.raises(CannotQuantize, match=words) as caught:
        refuse_unsupported(open_checkpoint(folder))
    assert "convert_hf_to_gguf.py" in caught.value.message


def test_a_model_that_llama_cpp_cannot_load_is_an_error_in_words(tmp_path: Path) -> None:
    file = tmp_path / "no.gguf"
    file.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(CannotQuantize, match="cannot load"):
        llamacpp.Model(file, context=64, threads=1)
