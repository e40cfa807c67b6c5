"""The measuring process: `python -m farthing.lab.quantize.probe ASKED.json MEASURED.json`. One model, one engine, then it ends.

Perplexity as llama.cpp counts it: windows side by side, the second half of each is scored, the first is its context. Speed: the best of three,
one sequence. A process of its own, so that its peak of memory is the model's, and a crash of the engine is an error of ours.
"""

import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from farthing.lab.quantize.base import CannotQuantize, Measured
from farthing.lab.quantize.texts import Evaluation

PREFILL_TOKENS, DECODE_TOKENS, ROUNDS = 256, 32, 3


class Asked(msgspec.Struct, frozen=True):
    """What to measure."""

    model: str
    engine: str  # llama.cpp or transformers
    evaluation: Evaluation
    windows: int
    window_tokens: int
    threads: int
    speed: bool = True


class Logits(Protocol):
    """A loaded model."""

    def tokens(self, text: str) -> list[int]: ...

    def logits(self, tokens: list[int]) -> npt.NDArray[np.float32]: ...


def measure(asked: Asked) -> Measured:
    """Raises `CannotQuantize`."""
    model = _open(asked)
    ids = model.tokens(asked.evaluation.text)
    windows = [ids[at : at + asked.window_tokens] for at in range(0, len(ids) - asked.window_tokens + 1, asked.window_tokens)][: asked.windows]
    if len(windows) < 2:
        raise CannotQuantize(f"The evaluation text has {len(ids)} tokens; at least {2 * asked.window_tokens} are needed. Give a longer one.")
    scores = [nll(model.logits(window), window, len(window) // 2) for window in windows]
    right = [int(_is_right(model, task.prompt, task.answer, asked.window_tokens)) for task in asked.evaluation.tasks]
    prefill, decode = _speed(model, ids) if asked.speed else (None, None)
    return Measured(
        size_bytes=size_of(Path(asked.model)),
        nll=tuple(total for total, _ in scores),
        scored=tuple(count for _, count in scores),
        right=tuple(right),
        prefill_tokens_per_s=prefill,
        decode_tokens_per_s=decode,
        memory_bytes=_peak_bytes(),
        engine=asked.engine,
    )


def nll(logits: npt.NDArray[np.float32], tokens: Sequence[int], first: int) -> tuple[float, int]:
    """Negative log-likelihood in nats of the tokens from `first` on, summed, and how many they are. `logits` [tokens, vocabulary]."""
    wide = logits[first - 1 : len(tokens) - 1].astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    chosen = wide[np.arange(len(wide)), list(tokens[first:])]
    return float((np.log(np.exp(wide).sum(axis=1)) - chosen).sum()), len(wide)


def size_of(place: Path) -> int:
    """Bytes of a file, or of the weights in a folder."""
    return place.stat().st_size if place.is_file() else sum(file.stat().st_size for file in place.glob("*.safetensors"))


def _peak_bytes() -> int:
    """Most that this process held. Not `getrusage`: Linux hands the parent's peak down through fork and exec."""
    try:
        rows = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return int(rows["VmHWM"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _open(asked: Asked) -> Logits:
    if asked.engine == "llama.cpp":
        from farthing.lab.quantize.llamacpp import Model

        return Model(Path(asked.model), context=max(asked.window_tokens, PREFILL_TOKENS + DECODE_TOKENS), threads=asked.threads)
    from farthing.lab.quantize.compress import TorchModel

    return TorchModel(asked.model, asked.threads)


def _is_right(model: Logits, prompt: str, answer: str, room: int) -> bool:
    """Whether greedy decoding after the prompt gives the answer, token by token."""
    due = model.tokens(answer)
    asked = model.tokens(prompt)[-(room - len(due)) :]
    if not due or not asked or len(due) >= room:
        return False
    chosen = model.logits(asked + due)[len(asked) - 1 : -1].argmax(axis=1)
    return chosen.tolist() == due


def _speed(model: Any, ids: list[int]) -> tuple[float | None, float | None]:
    """Prefill and decode in tokens a second; unknown for an engine that nobody would serve with."""
    if not hasattr(model, "feed"):
        return None, None
    prompt, prefill, decode = (ids * (1 + PREFILL_TOKENS // len(ids)))[:PREFILL_TOKENS], 0.0, 0.0
    for _ in range(ROUNDS):
        model.forget()
        began = time.perf_counter()
        model.feed(prompt, 0, every=False)
        middle = time.perf_counter()
        for step in range(DECODE_TOKENS):
            model.feed([prompt[step]], len(prompt) + step, every=False)
        prefill, decode = max(prefill, len(prompt) / (middle - began)), max(decode, DECODE_TOKENS / (time.perf_counter() - middle))
    return prefill, decode


def main() -> None:
    """Read what is asked, write what was measured; a mistake is one line on stderr and status 1."""
    try:
        found = measure(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Asked))
    except CannotQuantize as mistake:
        raise SystemExit(mistake.message) from None
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
