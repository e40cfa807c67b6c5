"""Write the graph that embeds many passages: the shipped embedder's weights, rounded once more for kernels of whole numbers.

Run: as examples/build_embedder.py, then python examples/build_batch_embedder.py MODEL_FOLDER TEXTS.jsonl...
     (TEXTS.jsonl: {"title", "text"}, what the sizes of activations are read from; ../shared/data/rag/{hotpot500,xquad_en}/corpus.jsonl)

The graph (`batch.onnx`, 0.3 MB) holds no large weight: it points into `model.onnx` beside it, and onnxruntime works its own form out when it opens
it. Input and output are those of `model.onnx`, and so is what it says, at a cosine of 0.997 (tests/models/embed/test_embedders.py).

Weights are 8 bits with a scale per output, activations 8 bits with one fixed scale per product, so that a text has the same vector whatever
goes beside it. What sticks out of the activations is divided out and multiplied into the weights first (SmoothQuant, arXiv 2211.10438, alpha 0.75).
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from build_embedder import BLOCK, EPSILON, HEADS, LAYERS, WIDTH, Floats, Graph, build, pool, read_weights
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HOUSE = Path(__file__).parent.parent / "src" / "farthing"
ALPHA, ROOM = 0.75, 1.05
PRODUCT = re.compile(r"encoder\.layer\.\d+\.(?:attention|attention\.output\.dense|intermediate|output\.dense)")


class Seen:
    """The least and the most of each channel that goes into a product."""

    def __init__(self, low: Floats, high: Floats) -> None:
        self.low, self.high = low, high


def observed(weights: Mapping[str, Floats], words: "WordPieces", texts: Sequence[str]) -> dict[str, Seen]:
    """What goes into each product while the published network reads `texts`."""
    import onnxruntime

    model = build(weights, "float")
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


class Pointing(Graph):
    """A graph whose large constants stay where `model.onnx` has them."""

    def __init__(self, shipped: Path, seen: Mapping[str, Seen]) -> None:
        super().__init__("batch8")
        self.blob, self.seen = shipped.read_bytes(), seen
        self.held = {tensor.name: tensor for tensor in onnx.load(shipped).graph.initializer}

    def point(self, name: str) -> str:
        """The constant of that name in the shipped file, by its place in there."""
        held = self.held[name]
        offset = self.blob.find(held.raw_data)
        tensor = TensorProto(name=name, data_type=held.data_type, dims=held.dims, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "model.onnx"), ("offset", offset), ("length", len(held.raw_data))):
            tensor.external_data.add(key=key, value=str(value))
        self.constants.append(tensor)
        return name

    def values(self, name: str) -> NDArray[np.generic]:
        return numpy_helper.to_array(self.held[name])

    def weight(self, name: str) -> tuple[str, str, Floats]:
        """The weight of a product as whole numbers, the name of their scales, and what its inputs are divided by. Folded when the graph is opened."""
        codes, scales = self.values(f"{name}.codes"), self.values(f"{name}.scales")
        outputs, blocks, _ = codes.shape
        whole = ((codes.astype(np.float32) - 128) * scales.reshape(outputs, blocks, 1)).reshape(outputs, blocks * BLOCK)
        most = np.maximum(np.maximum(-self.seen[name].low, self.seen[name].high), 1e-3)
        smooth = most**ALPHA / np.maximum(np.abs(whole).max(axis=0), 1e-5) ** (1 - ALPHA)
        smooth = (smooth / np.exp(np.log(smooth).mean())).astype(np.float32)
        outer = (np.abs(whole * smooth).max(axis=1) / 127).astype(np.float32)
        self.add("Cast", [self.point(f"{name}.codes")], f"{name}.wide", to=TensorProto.FLOAT)
        self.add("Sub", [f"{name}.wide", "middle"], f"{name}.signed")
        self.point(f"{name}.scales")
        self.add("Reshape", [f"{name}.scales", self.keep(f"{name}.blocks", np.array([outputs, blocks, 1]))], f"{name}.scales3")
        self.add("Mul", [f"{name}.signed", f"{name}.scales3"], f"{name}.blockwise")
        self.add("Reshape", [f"{name}.blockwise", self.keep(f"{name}.sizes", np.array(whole.shape))], f"{name}.whole")
        self.add("Mul", [f"{name}.whole", self.keep(f"{name}.smooth", smooth)], f"{name}.smoothed")
        self.add("Transpose", [f"{name}.smoothed"], f"{name}.turned", perm=[1, 0])
        self.add("Div", [f"{name}.turned", self.keep(f"{name}.outer", outer)], f"{name}.scaled")
        self.add("Round", [f"{name}.scaled"], f"{name}.rounded")
        self.add("Cast", [f"{name}.rounded"], f"{name}.bytes", to=TensorProto.INT8)
        return f"{name}.bytes", f"{name}.outer", smooth

    def product(self, value: str, name: str) -> str:
        """`value` times the weight of that name, both in whole numbers."""
        codes, outer, smooth = self.weight(name)
        low = float(np.minimum(self.seen[name].low / smooth, 0).min()) * ROOM
        high = float((self.seen[name].high / smooth).max()) * ROOM
        scale = (high - low) / 255
        self.keep(f"{name}.inverse", (1 / smooth).astype(np.float32))
        self.keep(f"{name}.step", np.array(scale, np.float32))
        self.keep(f"{name}.zero", np.array(np.clip(round(-low / scale), 0, 255), np.uint8))
        self.add("Mul", [value, f"{name}.inverse"], f"{name}.even")
        self.add("QuantizeLinear", [f"{name}.even", f"{name}.step", f"{name}.zero"], f"{name}.input")
        inputs = [f"{name}.input", codes, f"{name}.step", outer, f"{name}.zero"]
        return self.add("MatMulIntegerToFloat", inputs, f"{name}.product", domain="com.microsoft")

    def normalised(self, value: str, name: str, out: str) -> str:
        return self.add("LayerNormalization", [value, self.point(f"{name}.scale"), self.point(f"{name}.shift")], out, axis=-1, epsilon=EPSILON)

    def added(self, value: str, name: str, state: str, out: str) -> str:
        """With its bias, added to `state` and normalised: onnxruntime's one node for this takes twice as long as these three."""
        self.add("Add", [value, self.point(f"{name}.bias")], f"{name}.biased")
        self.add("Add", [f"{name}.biased", state], f"{name}.summed")
        return self.normalised(f"{name}.summed", f"{name}.LayerNorm", out)


def batch_graph(shipped: Path, seen: Mapping[str, Seen]) -> onnx.ModelProto:
    graph = Pointing(shipped, seen)
    graph.keep("middle", np.array(128, np.float32))
    state = _embed(graph)
    graph.add("Cast", ["mask"], "mask32", to=TensorProto.INT32)
    for layer in range(LAYERS):
        state = _layer(graph, f"encoder.layer.{layer}", state, f"state.{layer + 1}")
    pool(graph, state)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2, for many",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in ("ids", "mask")],
            [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", WIDTH])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 19), helper.make_opsetid("com.microsoft", 1)],
        producer_name="farthing examples/build_batch_embedder.py",
    )
    model.ir_version = 9
    return model


def _embed(graph: Pointing) -> str:
    graph.add("Gather", [graph.point("words.codes"), "ids"], "word.codes")
    graph.add("Gather", [graph.point("words.scales"), "ids"], "word.scale")
    graph.add("Cast", ["word.codes"], "word.whole", to=TensorProto.FLOAT)
    graph.add("Mul", ["word.whole", "word.scale"], "word")
    graph.add("Shape", ["ids"], "tokens", start=1, end=2)
    starts, axes = graph.keep("none", np.array([0], np.int64)), graph.keep("axis0", np.array([0], np.int64))
    graph.add("Slice", [graph.point("places"), starts, "tokens", axes], "place")
    graph.add("Add", ["word", "place"], "embedded")
    return graph.normalised("embedded", "embeddings.LayerNorm", "state.0")


def _layer(graph: Pointing, at: str, state: str, out: str) -> str:
    product = graph.product(state, f"{at}.attention")
    names = [f"{at}.{part}" for part in "qkv"]
    graph.add("Split", [product], names[0], more=(names[1], names[2]), axis=-1, num_outputs=3)
    inputs = [*names, graph.point(f"{at}.attention.bias"), "mask32"]
    seen = graph.add("MultiHeadAttention", inputs, f"{at}.seen", domain="com.microsoft", num_heads=HEADS)
    spoken = graph.product(seen, f"{at}.attention.output.dense")
    state = graph.added(spoken, f"{at}.attention.output", state, f"{at}.attended")
    wide = graph.product(state, f"{at}.intermediate")
    thought = graph.add("BiasGelu", [wide, graph.point(f"{at}.intermediate.bias")], f"{at}.thought", domain="com.microsoft")
    return graph.added(graph.product(thought, f"{at}.output.dense"), f"{at}.output", state, out)


def texts(paths: Sequence[Path], each: int) -> list[str]:
    """Some of every file, always the same ones."""
    found: list[str] = []
    for path in paths:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        found += [f"{row.get('title') or ''}. {row['text']}" for row in rows[:: max(1, len(rows) // each)][:each]]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder with the published model.safetensors")
    parser.add_argument("texts", type=Path, nargs="+", help="files of passages")
    parser.add_argument("--each", type=int, default=60, help="passages of each file that are read")
    parser.add_argument("--out", type=Path, default=HOUSE / "data" / "minilm")
    arguments = parser.parse_args()
    read = texts(arguments.texts, arguments.each)
    # Questions and single sentences come too.
    read += [text.rpartition(". ")[2] for text in read]
    seen = observed(read_weights(arguments.model / "model.safetensors"), WordPieces(arguments.out / "vocab.txt"), read)
    target = arguments.out / "batch.onnx"
    target.write_bytes(batch_graph(arguments.out / "model.onnx", seen).SerializeToString())
    print(f"{target}: {target.stat().st_size:,} bytes, from {len(read)} texts")


if __name__ == "__main__":
    main()
