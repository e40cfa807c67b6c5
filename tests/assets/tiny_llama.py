"""Makes `tiny_llama/`: a Llama of 2.1 million parameters, trained from scratch on the documentation that ships with Python.

A checkpoint as Hugging Face writes them (safetensors, config.json, tokenizer.json), small enough for the repository and good enough that its
perplexity tells one quantization from another. Text: help topics and docstrings of the standard library, held-out documents apart
(`evaluation.txt`, `calibration.txt`). Licence of the text: PSF, see `tiny_llama/NOTICE`.

Needs torch, transformers and tokenizers (extra `quantize`). 6 minutes on one core: `python tests/assets/tiny_llama.py`.
"""

import argparse
import ast
import hashlib
import math
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from pydoc_data.topics import topics

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).with_name("tiny_llama")
LEFT_OUT = {"site-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__", "encodings", "turtledemo"}
END = "<|endoftext|>"
TEMPLATE = "{% for message in messages %}{{ message.content }}\n\n{% endfor %}"
HELD_CHARS = 120_000
WINDOW, BATCH = 256, 8


def documents() -> Iterator[str]:
    """Help topics, then one document per module: its docstrings in order."""
    yield from topics.values()
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        if LEFT_OUT & set(path.relative_to(root).parts):
            continue
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
        text = "\n\n".join(found for node in nodes if (found := ast.get_docstring(node)))
        if len(text) > 200:
            yield text


def split() -> tuple[list[str], str, str]:
    """Training documents, evaluation text, calibration text; a document is in one of them only."""
    parts: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for text in documents():
        lot = hashlib.sha256(text.encode()).digest()[0] % 20
        parts[lot if lot < 2 else 2].append(text)
    # Some topics are chapters of others: what was trained on, or calibrated with, is not asked for.
    seen = _paragraphs(parts[2])
    calibration = _without(parts[1], seen)
    return parts[2], _without(parts[0], seen | _paragraphs([calibration])), calibration


def _paragraphs(texts: list[str]) -> set[str]:
    return {part.strip() for text in texts for part in text.split("\n\n")}


def _without(texts: list[str], seen: set[str]) -> str:
    kept = [part for text in texts for part in text.split("\n\n") if part.strip() not in seen]
    return "\n\n".join(kept)[:HELD_CHARS]


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE of 1,024 tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=1024, special_tokens=[END], initial_alphabet=alphabet, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token=END, eos_token=END, chat_template=TEMPLATE, model_max_length=512)


def train(ids: torch.Tensor, held: torch.Tensor, steps: int) -> LlamaForCausalLM:
    """AdamW with warm-up and cosine; `ids` and `held` are token ids in one row."""
    config = LlamaConfig(
        vocab_size=1024, hidden_size=256, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, rms_norm_eps=1e-5,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.95), weight_decay=0.05, fused=True)
    for step in range(1, steps + 1):
        rate = 4e-3 * min(1.0, step / 60) * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        starts = torch.randint(0, len(ids) - WINDOW - 1, (BATCH,))
        batch = torch.stack([ids[start : start + WINDOW] for start in starts.tolist()])
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(batch, labels=batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 100 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.3f}, held-out perplexity {perplexity(model, held):.2f}", flush=True)
    return model.eval()


@torch.no_grad()
def perplexity(model: LlamaForCausalLM, held: torch.Tensor) -> float:
    """Over the first 64 windows."""
    windows = held[: 64 * WINDOW].view(-1, WINDOW)
    return math.exp(sum(model(window[None], labels=window[None]).loss.item() for window in windows) / len(windows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    torch.manual_seed(7)
    texts, evaluation, calibration = split()
    tokenizer = train_tokenizer(texts)
    ids = torch.tensor([token for text in texts for token in [*tokenizer(text)["input_ids"], 0]])
    held = torch.tensor(tokenizer(evaluation)["input_ids"])
    print(f"{len(texts)} documents, {len(ids):,} tokens; held out: {len(held):,} tokens", flush=True)
    model = train(ids, held, options.steps)
    options.out.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    (options.out / "evaluation.txt").write_text(evaluation)
    (options.out / "calibration.txt").write_text(calibration)
    print(f"held-out perplexity {perplexity(model.float(), held):.2f}; written to {options.out}")


if __name__ == "__main__":
    main()
