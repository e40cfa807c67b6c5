"""What is no whole checkpoint is refused in words, before anything is written."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from farthing.lab.quantize.base import CannotQuantize
from farthing.lab.quantize.checkpoint import open_checkpoint
from tests.fakes.checkpoint import Size, write_checkpoint


def test_a_whole_checkpoint_tells_its_size(tmp_path: Path) -> None:
    found = open_checkpoint(write_checkpoint(tmp_path / "model", Size(layers=2)))
    assert found.architecture == "LlamaForCausalLM"
    assert found.layers == 2
    assert found.weight_bytes == 2 * found.parameters
    assert found.tensors["model.embed_tokens.weight"].read().shape == (320, 256)


def test_brain_floats_are_read_as_floats(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "model")
    numbers = np.array([1.0, -2.5, 0.15625], np.float32)
    head = json.dumps({"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
    (folder / "more.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + (numbers.view(np.uint32) >> 16).astype(np.uint16).tobytes())
    assert open_checkpoint(folder).tensors["x"].read().tolist() == [1.0, -2.5, 0.15625]


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def _cut_in_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 500) + b"{")


def _garbage_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 4) + b"oops")


def _empty_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def _pickle_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _change(folder: Path, **facts: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))


def _missing_shard(folder: Path) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "gone.safetensors"}}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_cut, "is cut off"),
        (_cut_in_header, "no whole safetensors file"),
        (_garbage_header, "damaged header"),
        (_empty_weights, "no whole safetensors file"),
        (_pickle_only, "pytorch_model.bin is a pickle"),
        (_missing_shard, "lacks 1 of its 2 shards: gone.safetensors"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "no JSON object"),
        (lambda folder: _change(folder, architectures=[]), "names no architecture"),
        (lambda folder: _change(folder, architectures=["BertModel"]), "only decoders"),
        (lambda folder: _change(folder, num_hidden_layers="two"), "no whole number for num_hidden_layers"),
        (lambda folder: _change(folder, num_hidden_layers=9), "holds 1 layers, config.json says 9"),
        (lambda folder: _change(folder, quantization_config={"bits": 4}), "quantized already"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, damage: object, words: str) -> None:
    folder = write_checkpoint(tmp_path / "model")
    damage(folder)  # type: ignore[operator]
    with pytest.raises(CannotQuantize, match=words):
        open_checkpoint(folder)


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotQuantize, match="is not a folder"):
        open_checkpoint(tmp_path / "nowhere")
