"""Perplexity, its interval, the texts behind it, and what is made of it."""

import math
from pathlib import Path

import numpy as np
import pytest

from farthing.lab.quantize.base import CannotQuantize, Measured, Spec
from farthing.lab.quantize.probe import Asked, measure, nll
from farthing.lab.quantize.report import Report, compare, lines, usd_per_mtok
from farthing.lab.quantize.texts import Evaluation, Task, calibration, evaluation


def test_a_model_that_knows_nothing_has_the_vocabulary_s_size_as_perplexity() -> None:
    total, scored = nll(np.zeros((6, 50), np.float32), [1, 2, 3, 4, 5, 6], 3)
    assert scored == 3
    assert math.exp(total / scored) == pytest.approx(50)


def test_a_model_that_is_sure_and_right_has_perplexity_one() -> None:
    logits = np.full((4, 10), -50.0, np.float32)
    logits[[0, 1, 2], [3, 4, 5]] = 50.0
    assert nll(logits, [9, 3, 4, 5], 1)[0] == pytest.approx(0, abs=1e-9)


def test_the_interval_of_the_ratio_is_paired() -> None:
    """Windows differ much more from each other than from themselves; the interval knows."""
    random = np.random.default_rng(1)
    old = random.normal(300, 80, 64)
    new = old + random.normal(2.0, 0.5, 64)
    found = compare(_measured(old), _measured(new), seed=0)
    assert found.ratio.value == pytest.approx(math.exp(2.0 / 100), rel=2e-3)
    assert found.ratio.low is not None
    assert found.ratio.high is not None
    assert 1.018 < found.ratio.low < found.ratio.value < found.ratio.high < 1.022
    assert found == compare(_measured(old), _measured(new), seed=0)


def _measured(nlls: np.ndarray, **more: object) -> Measured:
    return Measured(size_bytes=100, nll=tuple(nlls.tolist()), scored=(100,) * len(nlls), engine="llama.cpp", **more)  # type: ignore[arg-type]


def test_unknown_speed_is_said_to_be_unknown() -> None:
    known = {"prefill_tokens_per_s": 100.0, "decode_tokens_per_s": 10.0, "memory_bytes": 2**30}
    for more, shown in ((known, "10.00"), ({}, "unknown")):
        one = _measured(np.array([100.0, 120.0]), right=(1, 0, 1), **more)
        price = usd_per_mtok(one.decode_tokens_per_s, 0.36)
        report = Report(Spec("m", "gguf:q8_0"), 1, 2, compare(one, one, 0), 0.36, price, price, "farthing local up --model x", 1.0)
        text = "\n".join(lines(report))
        assert shown in text
        assert "tasks right" in text
        assert "serve: farthing local up --model x" in text


def test_a_machine_s_price_becomes_a_price_per_million_tokens() -> None:
    assert usd_per_mtok(100.0, 0.36) == pytest.approx(1.0)
    assert usd_per_mtok(None, 0.36) is None
    assert usd_per_mtok(100.0, None) is None


def test_python_s_own_texts_share_no_paragraph() -> None:
    one, other = evaluation(None).text, calibration(None)
    assert min(len(one), len(other)) > 50_000
    assert not set(one.split("\n\n")) & set(other.split("\n\n"))


def test_json_lines_are_tasks_and_their_text(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text('{"prompt": "2+2=", "answer": "4"}\n\n{"prompt": "sky: ", "answer": "blue"}\n')
    assert evaluation(str(file)) == Evaluation("2+2=4\n\nsky: blue", (Task("2+2=", "4"), Task("sky: ", "blue")))


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b"\xff\xfe\x00", "is not UTF-8"), (b'{"prompt": "x"}', "line 1.*answer"), (None, "Cannot read")]
)
def test_bad_texts_are_refused_in_words(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "text"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CannotQuantize, match=words):
        evaluation(str(file))


def test_a_text_too_short_to_judge_is_refused(tmp_path: Path) -> None:
    from tests.lab.quantize.test_gguf import _wide

    with pytest.raises(CannotQuantize, match="at least 128 are needed"):
        measure(Asked(str(_wide(tmp_path)), "llama.cpp", Evaluation("short"), 4, 64, 1))
