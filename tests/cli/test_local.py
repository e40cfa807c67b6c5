"""`farthing quantize` and `farthing local` as people run them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_commands import farthing
from tests.fakes.checkpoint import Size, write_checkpoint

TINY = Path(__file__).parents[1] / "assets" / "tiny_llama"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a model and a text."""
    (tmp_path / "text.txt").write_text("the cat sat on the mat, and the dog looked at the cat. " * 60)
    write_checkpoint(tmp_path / "model", Size(layers=2), scale=0.2)
    return tmp_path


def _quantize(folder: Path, *more: str) -> tuple[int, str, str]:
    done = farthing("quantize", "model", "--eval", "text.txt", "--windows", "2", "--threads", "1", *more, cwd=folder, OMP_NUM_THREADS="1")
    return done.returncode, done.stdout, done.stderr


def test_a_model_is_quantized_and_the_loss_is_told(place: Path) -> None:
    status, out, err = _quantize(place, "--method", "gguf:q8_0", "--out", "small", "--machine-usd-per-hour", "0.4")
    assert status == 0
    assert out.splitlines()[0].split() == ["before", "after", "ratio"]
    assert "serve: farthing local up --model small/model-q8_0.gguf" in out
    assert err.split("\n") == ["converting", "measuring the original", "quantizing", "measuring the result", ""]
    assert json.loads((place / "small" / "quantization.json").read_text())["spec"]["method"] == "gguf:q8_0"


def test_a_run_past_the_tolerated_drop_is_one_line_and_status_1(tmp_path: Path) -> None:
    arguments = ("--eval", str(TINY / "evaluation.txt"), "--windows", "8", "--threads", "1", "--method", "gguf:q4_k_m", "--max-drop", "0.001")
    done = farthing("quantize", str(TINY), "--out", "small", *arguments, cwd=tmp_path, OMP_NUM_THREADS="1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing is kept, the original is as it was" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_how_to_go_on(place: Path) -> None:
    arguments = ("quantize", "model", "--method", "gguf:q8_0", "--out", "small", "--eval", "text.txt", "--windows", "9")
    command = [sys.executable, "-m", "farthing", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while "measuring the original" not in running.stderr.readline():
            pass
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
        assert running.wait(30) == 130
    assert said == "Stopped. The same command goes on from small.partial.\n"
    assert not (place / "small").exists()
    again = farthing(*arguments, cwd=place, OMP_NUM_THREADS="1")
    assert again.stderr.splitlines() == ["measuring the original", "quantizing", "measuring the result"]
    assert sorted(path.name for path in place.iterdir()) == ["model", "small", "text.txt"]


def test_advice_says_why(place: Path) -> None:
    status, out, _ = _quantize(place, "--advise", "--engine", "llama.cpp", "--max-drop", "0.01")
    assert status == 0
    assert out.splitlines()[0] == "engine llama.cpp: asked for"
    assert out.splitlines()[1].startswith("not gguf:q4_k_m: about 6.0% worse is expected, 1.0% is tolerated")
    assert out.splitlines()[2].startswith("gguf:q8_0: 8 bits in blocks of 32")
    assert _quantize(place, "--advise", "--engine", "llama.cpp", "--max-drop", "0")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--method", "gguf:q9", "--out", "x"), 1, "'gguf:q9' is no method. Known: gguf:q8_0"),
        (("--method", "gguf:q8_0"), 2, "a folder for the result is needed: --out DIR"),
        (("--advise", "--engine", "ollama"), 2, "'ollama' is no engine known here"),
        (("--method", "gguf:q8_0", "--out", "x", "--eval", "no.txt"), 1, "Cannot read no.txt"),
        (("--method", "gguf:q8_0", "--out", "model"), 1, "model exists and is not the result of a quantization"),
    ],
)
def test_mistakes_are_said_without_a_traceback(place: Path, arguments: tuple[str, ...], status: int, words: str) -> None:
    code, out, err = _quantize(place, *arguments)
    assert (code, out) == (status, "")
    assert words in " ".join(err.split())
    assert "Traceback" not in err
    assert sorted(path.name for path in place.iterdir()) == ["model", "text.txt"]


def test_engines_need_a_table_or_a_model(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text("")
    done = farthing("local", "up", cwd=tmp_path)
    assert done.returncode == 2
    assert "has no [local.NAME] table" in done.stderr


def test_a_service_that_points_at_no_engine_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text(
        '[local.tiny]\nmodel = "m.gguf"\nport = 9\n[local.other]\nmodel = "m.gguf"\nport = 9\n[services.a]\nlocal = "tyny"\n'
    )
    done = farthing("config", "check", cwd=tmp_path)
    assert done.returncode == 2
    assert "services.a.local names 'tyny', which is not under [local]. Did you mean 'tiny'?" in done.stdout + done.stderr
    assert "local.other.port is 9, as local.tiny.port is" in done.stdout + done.stderr


def test_the_check_says_what_would_be_started(tmp_path: Path) -> None:
    done = farthing("local", "check", "--model", str(tmp_path / "nowhere.gguf"), cwd=tmp_path)
    assert done.returncode == 1
    assert "xllamacpp     installed" in done.stdout
    assert "neither a GGUF file nor a folder" in done.stderr
