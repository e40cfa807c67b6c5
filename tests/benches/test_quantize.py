"""The benchmark of quantized models runs, and says what it did not measure."""

import subprocess
from importlib.util import find_spec
from pathlib import Path

from bench._line import place_us
from bench.quantize import SMALL, bandwidth, models, tiny

from farthing.models.local.gguf import read_head

ROOT = Path(__file__).parents[2]


def test_perplexities_come_with_intervals_and_what_is_missing_is_said(tmp_path: Path) -> None:
    figures, raw = tiny(tmp_path, 8)
    by_name = {figure.name.split(" ")[0]: figure for figure in figures}
    assert {"gguf:q8_0", "gguf:q4_k_m"} <= set(raw)
    assert by_name["q8_0"].met
    assert "95 % interval" in by_name["q4_k_m"].note
    if find_spec("llmcompressor") is None:
        assert by_name["gptq"].value is None
        assert not by_name["gptq"].met
        assert "not measured: the extra `quantize` is not installed" in by_name["awq"].note


def test_random_models_are_made_once(tmp_path: Path) -> None:
    files = models(tmp_path, SMALL)
    made = {name: file.stat().st_mtime_ns for name, file in files.items()}
    assert {name: read_head(file).facts["general.file_type"] for name, file in files.items()} == {"f16": 1, "q8_0": 7, "q4_k_m": 15}
    assert {name: file.stat().st_mtime_ns for name, file in models(tmp_path, SMALL).items()} == made
    assert bandwidth(8) > 1e8


def test_without_a_gpu_the_comparison_says_that_it_was_skipped() -> None:
    done = subprocess.run(["/bin/sh", str(ROOT / "bench" / "gpu.sh")], env={"PATH": "/bin:/usr/bin"}, capture_output=True, text=True, check=True)
    assert done.stdout == "skipped: no NVIDIA GPU is seen here (nvidia-smi). Nothing was measured.\n"


def test_what_a_place_costs_is_measured() -> None:
    assert place_us(100, waiting=3) > 0
