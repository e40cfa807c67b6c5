"""The whole run: files appear whole or not at all, whatever happens on the way."""

from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path

import msgspec
import pytest

from farthing.lab.quantize import room, run
from farthing.lab.quantize.base import METHODS, CannotQuantize, QualityLost, Spec, ToolMissing
from farthing.lab.quantize.report import FILE, Report
from farthing.lab.quantize.run import quantize
from farthing.models.local.gguf import read_head
from tests.fakes.checkpoint import Size, write_checkpoint

TEXT = "the cat sat on the mat, and the dog looked at the cat. " * 40


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    (tmp_path / "text.txt").write_text(TEXT)
    model = write_checkpoint(tmp_path / "model", Size(layers=2), scale=0.2)
    return Spec(str(model), "gguf:q4_k_m", evaluation=str(tmp_path / "text.txt"), windows=4, window_tokens=64)


def _run(spec: Spec, out: Path, told: list[str] | None = None, tell: Callable[[str], None] | None = None) -> Report:
    def note(words: str, share: float | None) -> None:
        del share
        if told is not None and words not in told:
            told.append(words)
        if tell is not None:
            tell(words)

    return quantize(spec, out, machine_usd_per_hour=0.36, threads=1, tell=note)


def test_a_run_writes_the_model_its_report_and_nothing_else(spec: Spec, tmp_path: Path) -> None:
    told: list[str] = []
    report = _run(spec, tmp_path / "out", told)
    assert told == ["converting", "measuring the original", "quantizing", "measuring the result"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model-q4_k_m.gguf", FILE]
    assert not (tmp_path / "out.partial").exists()
    assert read_head(tmp_path / "out" / "model-q4_k_m.gguf").facts["general.file_type"] == 15
    assert msgspec.json.decode((tmp_path / "out" / FILE).read_bytes(), type=Report) == report
    found = report.comparison
    assert found.after.size_bytes < 0.4 * found.before.size_bytes
    assert found.ratio.value > 0
    assert found.after.decode_tokens_per_s is not None
    assert report.usd_per_mtok_after == pytest.approx(100 / found.after.decode_tokens_per_s)
    assert report.serve == f"farthing local up --model {tmp_path / 'out' / 'model-q4_k_m.gguf'}"


def test_the_same_words_again_are_done_already(spec: Spec, tmp_path: Path) -> None:
    told: list[str] = []
    report = _run(spec, tmp_path / "out")
    assert _run(spec, tmp_path / "out", told) == report
    assert told == []
    with pytest.raises(CannotQuantize, match="holds the result of another run"):
        _run(msgspec.structs.replace(spec, seed=1), tmp_path / "out")


def test_a_run_that_was_stopped_goes_on_where_it_was(spec: Spec, tmp_path: Path) -> None:
    def stop(words: str) -> None:
        if words == "quantizing":
            raise KeyboardInterrupt

    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _run(spec, tmp_path / "out", tell=stop)
    assert not (tmp_path / "out").exists()
    _run(spec, tmp_path / "out", told)
    assert told == ["quantizing", "measuring the result"]
    assert not (tmp_path / "out.partial").exists()


def test_other_words_begin_anew(spec: Spec, tmp_path: Path) -> None:
    def stop(words: str) -> None:
        if words == "quantizing":
            raise KeyboardInterrupt

    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _run(spec, tmp_path / "out", tell=stop)
    _run(msgspec.structs.replace(spec, windows=3), tmp_path / "out", told)
    assert told[0] == "converting"


def test_lost_quality_leaves_the_original_and_nothing_else(spec: Spec, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in Path(spec.model).iterdir()}
    with pytest.raises(QualityLost, match="the original is as it was"):
        _run(msgspec.structs.replace(spec, max_drop=-0.9), tmp_path / "out")
    assert {path.name: path.read_bytes() for path in Path(spec.model).iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "text.txt"]


def test_lost_tasks_are_lost_quality_too(spec: Spec) -> None:
    old, new = (run.compare(*2 * (run.Measured(1, (1.0, 1.0), (10, 10), right=right),), 0) for right in ((1,) * 20, (0,) * 20))
    worse = msgspec.structs.replace(old, accuracy_after=new.accuracy_after)
    with pytest.raises(QualityLost, match=r"100.0% of the tasks were right, 0.0% are"):
        run._refuse_loss(msgspec.structs.replace(spec, max_drop=0.05), worse)


def test_something_else_in_the_way_is_kept(spec: Spec, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(CannotQuantize, match="is not the result of a quantization"):
        _run(spec, tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "mine"


def test_a_gguf_file_can_be_quantized_too(spec: Spec, tmp_path: Path) -> None:
    wide = msgspec.structs.replace(spec, method="gguf:f16")
    _run(wide, tmp_path / "wide")
    told: list[str] = []
    report = _run(msgspec.structs.replace(spec, model=str(tmp_path / "wide" / "model-f16.gguf")), tmp_path / "out", told)
    assert "converting" not in told
    assert report.comparison.after.size_bytes < 0.4 * report.comparison.before.size_bytes
    with pytest.raises(CannotQuantize, match="starts from a checkpoint"):
        run._weighed(tmp_path / "wide" / "model-f16.gguf", METHODS["gptq:w4a16"])


@pytest.mark.parametrize(("change", "words"), [({"method": "gguf:q9"}, "'gguf:q9' is no method"), ({"model": "/no/such"}, "does not exist")])
def test_what_is_asked_wrongly_is_said(spec: Spec, tmp_path: Path, change: dict[str, str], words: str) -> None:
    with pytest.raises(CannotQuantize, match=words):
        _run(msgspec.structs.replace(spec, **change), tmp_path / "out")
    assert not (tmp_path / "out.partial").exists()


def test_a_missing_tool_names_its_install_line(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "find_spec", lambda _: None)
    for method, line in (("gguf:q8_0", "farthing\\[local\\]"), ("awq:w4a16", "farthing\\[quantize\\]")):
        with pytest.raises(ToolMissing, match=line):
            _run(msgspec.structs.replace(spec, method=method), tmp_path / "out")


def test_too_little_disk_or_memory_is_said_before_anything_is_written(tmp_path: Path) -> None:
    need = room.needed(16_000_000_000, 8_000_000_000, METHODS["gguf:q4_k_m"])
    enough = room.Room(disk=need.disk, memory=need.memory)
    room.refuse_shortage(need, enough, tmp_path)
    with pytest.raises(CannotQuantize, match=r"19.42 GiB of disk, 19.42 GiB are free|of disk"):
        room.refuse_shortage(need, changed(enough, disk=need.disk - 1), tmp_path)
    with pytest.raises(CannotQuantize, match="of memory"):
        room.refuse_shortage(need, changed(enough, memory=need.memory - 1), tmp_path)


def test_a_full_disk_stops_a_run_before_it_begins(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "available", lambda _: room.Room(disk=1000, memory=1 << 40))
    with pytest.raises(CannotQuantize, match="GiB of disk"):
        _run(spec, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "text.txt"]


def test_a_crash_of_the_measuring_process_is_an_error_in_words(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.sys, "executable", "/bin/false")
    with pytest.raises(CannotQuantize, match="measuring the original: the process ended with status 1"):
        _run(spec, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "text.txt"]


def test_two_runs_do_not_work_in_one_place(spec: Spec, tmp_path: Path) -> None:
    def again(words: str) -> None:
        if words == "quantizing":
            with pytest.raises(CannotQuantize, match="Another run is at work"):
                _run(spec, tmp_path / "out")

    _run(spec, tmp_path / "out", tell=again)
