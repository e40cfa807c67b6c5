"""What llm-compressor is asked for, method by method, and what becomes of its result.

The tool itself is a fake here, because it is several hundred megabytes; `./go test-quantize` runs the real one.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing.lab.quantize.base import CannotQuantize, QualityLost, Spec
from farthing.lab.quantize.report import FILE, Report, lines
from farthing.lab.quantize.run import quantize
from tests.fakes.checkpoint import write_checkpoint

GUESTS = Path(__file__).parents[2] / "fakes" / "guests"
LINEAR = {"targets": ["Linear"], "ignore": ["lm_head"]}
RECIPES: dict[str, list[list[Any]]] = {
    "gptq:w4a16": [["GPTQModifier", {"scheme": "W4A16", **LINEAR}]],
    "awq:w4a16": [["AWQModifier", {"duo_scaling": "both"}], ["QuantizationModifier", {"scheme": "W4A16_ASYM", **LINEAR}]],
    "int8:w8a8": [["SmoothQuantModifier", {"smoothing_strength": 0.8}], ["GPTQModifier", {"scheme": "W8A8", **LINEAR}]],
    "rtn:w4a16": [["QuantizationModifier", {"scheme": "W4A16", **LINEAR}]],
    "rtn:w4a16_asym": [["QuantizationModifier", {"scheme": "W4A16_ASYM", **LINEAR}]],
}
TEXT = "".join(f"sentence number {number:03d} says nothing. " for number in range(100))


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spec]:
    monkeypatch.syspath_prepend(GUESTS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(part for part in (str(GUESTS), os.environ.get("PYTHONPATH", "")) if part))
    monkeypatch.setenv("FAKE_GUESTS_LOG", str(tmp_path / "told"))
    (tmp_path / "text.txt").write_text(TEXT)
    model = write_checkpoint(tmp_path / "model")
    text = str(tmp_path / "text.txt")
    yield Spec(str(model), "gptq:w4a16", calibration=text, evaluation=text, windows=8, window_tokens=64, calibration_samples=12)
    for name in [name for name, module in sys.modules.items() if str(getattr(module, "__file__", None) or "").startswith(str(GUESTS))]:
        del sys.modules[name]


def orders(monkeypatch: pytest.MonkeyPatch, **said: Any) -> None:
    monkeypatch.setenv("FAKE_GUESTS_ORDERS", json.dumps(said))


def run(spec: Spec, out: Path) -> Report:
    return quantize(spec, out, machine_usd_per_hour=0.36, threads=3, tell=lambda *_: None)


def told(tmp_path: Path, what: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]
    return [line for line in lines if line["what"] == what]


@pytest.mark.parametrize("method", RECIPES)
def test_each_method_asks_for_its_recipe(spec: Spec, tmp_path: Path, method: str) -> None:
    report = run(msgspec.structs.replace(spec, method=method), tmp_path / "out")
    (asked,) = told(tmp_path, "oneshot")
    assert asked["recipe"] == RECIPES[method]
    assert (asked["dtype"], asked["samples"], asked["tokens"], asked["shuffled"]) == ("float32", 12, 64, False)
    assert told(tmp_path, "saved") == [{"what": "saved", "dtype": "float16", "compressed": True}]  # as the original was
    assert {line["count"] for line in told(tmp_path, "threads")} == {3}
    assert report.serve == f"vllm serve {tmp_path / 'out'}"


def test_the_report_is_of_the_result_and_lies_beside_it(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders(monkeypatch, loses=0.01)
    report = run(spec, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json",
        "model.safetensors",
        FILE,
        "sureness.json",
        "tokenizer.json",
    ]
    assert msgspec.json.decode((tmp_path / "out" / FILE).read_bytes(), type=Report) == report
    found = report.comparison
    assert 1.0 < found.ratio.value < 1.01
    assert (found.after.size_bytes, found.after.engine, found.after.decode_tokens_per_s) == (1000, "transformers", None)
    assert report.usd_per_mtok_after is None
    assert any("speed and memory are unknown: they are those of the engine that serves it (vllm or sglang)" in line for line in lines(report))
    assert not (tmp_path / "out.partial").exists()


def test_calibration_is_drawn_by_the_seed_and_by_nothing_else(spec: Spec, tmp_path: Path) -> None:
    for number, seed in enumerate((0, 0, 1)):
        run(msgspec.structs.replace(spec, seed=seed), tmp_path / f"out{number}")
    first, again, other = (asked["texts"] for asked in told(tmp_path, "oneshot"))
    assert first == again != other
    assert len({*first}) == 12
    assert all(text in TEXT for text in first)
    assert [line["seed"] for line in told(tmp_path, "seed")] == [0, 0, 1]


def test_a_result_that_lost_too_much_is_gone(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders(monkeypatch, loses=1.0)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(QualityLost, match=r"The perplexity rises by \d+\.\d+%, 5\.00% are tolerated: nothing is kept"):
        run(msgspec.structs.replace(spec, max_drop=0.05), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "told"])


def test_what_the_tool_says_as_it_fails_is_passed_on_and_nothing_stays(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orders(monkeypatch, fails="no mapping for this architecture")
    with pytest.raises(CannotQuantize, match="no mapping for this architecture"):
        run(spec, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.partial").exists()


def test_a_calibration_text_that_is_too_short_is_refused(spec: Spec, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("too short")
    with pytest.raises(CannotQuantize, match=r"calibration text has 9 tokens; at least 512 are needed"):
        run(msgspec.structs.replace(spec, calibration=str(tmp_path / "short.txt")), tmp_path / "out")


def test_memory_is_pinned_only_for_a_device(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """llm-compressor pins it without asking; without a device that is an error of torch's."""
    from farthing.lab.quantize.compress import _allow_no_accelerator, guest

    del spec, tmp_path
    cache = guest("llmcompressor.pipelines.cache").IntermediatesCache
    monkeypatch.setattr(cache, "pin_memory", cache.pin_memory)
    orders(monkeypatch, accelerator=True)
    _allow_no_accelerator(guest("torch"))
    with pytest.raises(RuntimeError, match="no device"):
        cache().pin_memory()
    orders(monkeypatch, accelerator=False)
    _allow_no_accelerator(guest("torch"))
    cache().pin_memory()
