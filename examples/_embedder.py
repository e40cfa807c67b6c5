"""all-MiniLM-L6-v2 as an ONNX graph, written node by node from the published weights: no torch, no exporter.

Input: `ids` and `mask`, int64 of (texts, tokens); output: `vectors`, float32 of (texts, 384), each of length one (mean over the tokens that count).
build_embedder.py writes the graphs that ship; the kinds here are what bench/embedder.py compares them with: `float` as published; `block8`
8 bits a weight with a scale per 32 inputs, and activations rounded block by block while they are multiplied; `weight8` 8 bits a
weight with a scale per output, multiplied in float; `dynamic8` the same weights against activations rounded by one scale per call.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # model.safetensors of sentence-transformers/all-MiniLM-L6-v2
KINDS = ("float", "block8", "weight8", "dynamic8")
LAYERS, HEADS, WIDTH, EPSILON = 6, 12, 384, 1e-12
BLOCK = 32
Floats = NDArray[np.float32]


def read_weights(path: Path) -> dict[str, Floats]:
    """The tensors of a safetensors file. Raises `SystemExit` when it is not the file that was published."""
    blob = path.read_bytes()
    if (found := hashlib.sha256(blob).hexdigest()) != SHA256:
        raise SystemExit(f"{path}: SHA-256 is {found}, expected {SHA256}")
    (head_bytes,) = struct.unpack("<Q", blob[:8])
    head: dict[str, dict[str, list[int]]] = json.loads(blob[8 : 8 + head_bytes])
    body = memoryview(blob)[8 + head_bytes :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], dtype=np.float32).reshape(entry["shape"])
        for name, entry in head.items()
        if entry.get("dtype") == "F32"
    }


class Graph:
    """Nodes and constants, in the order in which they are computed."""

    gelu = "BiasGelu"

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def keep(self, name: str, values: NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, op: str, inputs: list[str], output: str, *, domain: str = "", more: tuple[str, ...] = (), **attributes: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output, *more], domain=domain, **attributes))
        return output

    def multiply(self, value: str, name: str, weight: Floats) -> str:
        """`value @ weight`, with the weight of (inputs, outputs) kept in the graph's kind of number."""
        out = f"{name}.product"
        if self.kind == "float":
            return self.add("MatMul", [value, self.keep(name, weight)], out)
        if self.kind == "block8":
            return self._blockwise(value, name, weight, out)
        codes, scales = rounded(weight, axis=0)
        self.keep(f"{name}.codes", codes)
        self.keep(f"{name}.scales", scales.reshape(-1))
        if self.kind == "weight8":
            whole = self.add("DequantizeLinear", [f"{name}.codes", f"{name}.scales"], f"{name}.whole", axis=1)
            return self.add("MatMul", [value, whole], out)
        return self.add("DynamicQuantizeMatMul", [value, f"{name}.codes", f"{name}.scales"], out, domain="com.microsoft")

    def _blockwise(self, value: str, name: str, weight: Floats, out: str) -> str:
        inputs, outputs = weight.shape
        blocks = weight.T.reshape(outputs, inputs // BLOCK, BLOCK)
        codes, scales = rounded(blocks, axis=2)
        self.keep(f"{name}.codes", (codes.astype(np.int16) + 128).astype(np.uint8))
        self.keep(f"{name}.scales", scales.reshape(-1))
        attributes = {"K": inputs, "N": outputs, "bits": 8, "block_size": BLOCK, "accuracy_level": 4}
        return self.add("MatMulNBits", [value, f"{name}.codes", f"{name}.scales"], out, domain="com.microsoft", **attributes)


def rounded(values: Floats, axis: int) -> tuple[NDArray[np.int8], Floats]:
    """Whole numbers from -127 to 127 and the scales that turn them back, one along `axis`."""
    scales = np.maximum(np.abs(values).max(axis=axis, keepdims=True) / 127, 1e-12).astype(np.float32)
    return np.clip(np.rint(values / scales), -127, 127).astype(np.int8), scales


def build(weights: Mapping[str, Floats], graph: Graph) -> onnx.ModelProto:
    """The whole network, tokens to vectors."""
    state = _embed(graph, weights)
    graph.add("Cast", ["mask"], "mask32", to=TensorProto.INT32)
    for layer in range(LAYERS):
        state = _layer(graph, weights, layer, state)
    _pool(graph, state)
    sizes = ["texts", "tokens"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info(name, TensorProto.INT64, sizes) for name in ("ids", "mask")],
            [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", WIDTH])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 19), helper.make_opsetid("com.microsoft", 1)],
        producer_name="farthing examples/build_embedder.py",
    )
    model.ir_version = 9
    return model


def _embed(graph: Graph, weights: Mapping[str, Floats]) -> str:
    """Word, position and type of every token, normalised."""
    words = weights["embeddings.word_embeddings.weight"]
    if graph.kind == "float":
        graph.add("Gather", [graph.keep("words", words), "ids"], "word")
    else:
        codes, scales = rounded(words, axis=1)
        graph.add("Gather", [graph.keep("words.codes", codes), "ids"], "word.codes")
        graph.add("Gather", [graph.keep("words.scales", scales), "ids"], "word.scale")
        graph.add("Cast", ["word.codes"], "word.whole", to=TensorProto.FLOAT)
        graph.add("Mul", ["word.whole", "word.scale"], "word")
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    graph.add("Shape", ["ids"], "tokens", start=1, end=2)
    starts, axes = graph.keep("zero", np.array([0], np.int64)), graph.keep("axis0", np.array([0], np.int64))
    graph.add("Slice", [graph.keep("places", places), starts, "tokens", axes], "place")
    graph.add("Add", ["word", "place"], "embedded")
    return _normalise(graph, weights, "embeddings.LayerNorm", "embedded", "state.0")


def _normalise(graph: Graph, weights: Mapping[str, Floats], name: str, value: str, out: str) -> str:
    scale, shift = graph.keep(f"{name}.scale", weights[f"{name}.weight"]), graph.keep(f"{name}.shift", weights[f"{name}.bias"])
    return graph.add("LayerNormalization", [value, scale, shift], out, axis=-1, epsilon=EPSILON)


def _add_normalised(graph: Graph, weights: Mapping[str, Floats], name: str, value: str, state: str, out: str) -> str:
    """`value` with its bias, added to `state` and normalised: onnxruntime's one node for this takes longer than these three."""
    graph.add("Add", [value, graph.keep(f"{name}.bias", weights[f"{name}.dense.bias"])], f"{name}.biased")
    graph.add("Add", [f"{name}.biased", state], f"{name}.summed")
    return _normalise(graph, weights, f"{name}.LayerNorm", f"{name}.summed", out)


def _layer(graph: Graph, weights: Mapping[str, Floats], layer: int, state: str) -> str:
    at = f"encoder.layer.{layer}"
    parts = [f"{at}.attention.self.{part}" for part in ("query", "key", "value")]
    joined = np.concatenate([weights[f"{part}.weight"].T for part in parts], axis=1)
    bias = graph.keep(f"{at}.attention.bias", np.concatenate([weights[f"{part}.bias"] for part in parts]))
    product = graph.multiply(state, f"{at}.attention", joined)
    names = [f"{at}.{part}" for part in "qkv"]
    graph.add("Split", [product], names[0], more=(names[1], names[2]), axis=-1, num_outputs=3)
    seen = graph.add("MultiHeadAttention", [*names, bias, "mask32"], f"{at}.seen", domain="com.microsoft", num_heads=HEADS)
    spoken = graph.multiply(seen, f"{at}.attention.output.dense", weights[f"{at}.attention.output.dense.weight"].T)
    state = _add_normalised(graph, weights, f"{at}.attention.output", spoken, state, f"{at}.attended")
    wide = graph.multiply(state, f"{at}.intermediate", weights[f"{at}.intermediate.dense.weight"].T)
    wide_bias = graph.keep(f"{at}.intermediate.bias", weights[f"{at}.intermediate.dense.bias"])
    thought = graph.add(graph.gelu, [wide, wide_bias], f"{at}.thought", domain="com.microsoft")
    narrow = graph.multiply(thought, f"{at}.output.dense", weights[f"{at}.output.dense.weight"].T)
    return _add_normalised(graph, weights, f"{at}.output", narrow, state, f"state.{layer + 1}")


def _pool(graph: Graph, state: str) -> None:
    """The mean over the tokens that count, brought to length one (so that dividing by their number can be left out)."""
    axis = graph.keep("axis1", np.array([1], np.int64))
    last = graph.keep("axis2", np.array([2], np.int64))
    graph.add("Cast", ["mask"], "counts", to=TensorProto.FLOAT)
    graph.add("Unsqueeze", ["counts", last], "counts3")
    graph.add("Mul", [state, "counts3"], "counted")
    graph.add("ReduceSum", ["counted", axis], "sum", keepdims=0)
    graph.add("ReduceL2", ["sum", axis], "length", keepdims=1)
    graph.add("Div", ["sum", "length"], "vectors")
