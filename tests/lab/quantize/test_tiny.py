"""The trained model of the repository: what 8 and 4 bits cost it, on text that was held out of its training."""

from pathlib import Path

import pytest

from farthing.lab.quantize.base import Spec
from farthing.lab.quantize.run import quantize

TINY = Path(__file__).parents[2] / "assets" / "tiny_llama"


@pytest.mark.parametrize(("method", "least", "most", "size"), [("gguf:q8_0", 0.995, 1.005, 0.55), ("gguf:q4_k_m", 1.0005, 1.05, 0.4)])
def test_fewer_bits_cost_some_of_the_perplexity_and_no_more(tmp_path: Path, method: str, least: float, most: float, size: float) -> None:
    spec = Spec(str(TINY), method, evaluation=str(TINY / "evaluation.txt"), windows=48)
    found = quantize(spec, tmp_path / "out", machine_usd_per_hour=None, threads=1, tell=lambda *_: None).comparison
    assert found.perplexity_before < 60  # it has learned something: it knows 1,024 tokens
    assert least < found.ratio.value < most
    assert found.ratio.low is not None
    assert found.ratio.high is not None
    assert found.ratio.low < found.ratio.value < found.ratio.high
    assert found.after.size_bytes < size * found.before.size_bytes
