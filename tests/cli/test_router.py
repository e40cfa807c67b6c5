"""`farthing router` from grades to a router in place, and what it says of mistakes."""

import json
import random
from pathlib import Path

import pytest

from tests.cli.test_commands import farthing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grades of three models on easy and hard prompts, and a configuration that names a place for routers."""
    place, draw = tmp_path_factory.mktemp("router"), random.Random(1)
    with (place / "grades.jsonl").open("w") as file:
        for number in range(400):
            hard = draw.random() < 0.4
            chances = {"mini": 0.2 if hard else 0.97, "mid": 0.7 if hard else 0.97, "large": 0.95}
            row = {
                "prompt": f"{'Prove step by step that x = y^2, if not' if hard else 'Name the capital of'} {number}?",
                "scores": {model: float(draw.random() < chance) for model, chance in chances.items()},
                "cost_usd": {"mini": 0.0001, "mid": 0.0005, "large": 0.002},
            }
            file.write(json.dumps(row) + "\n")
    (place / "farthing.toml").write_text('[route.learned]\nartefact = "live.npz"\n')
    return place


TRAIN = ("router", "train", "grades.jsonl", "--cheap", "mini", "--expensive", "large", "--candidate", "mid", "--no-embed", "--floor", "0.9")


def test_from_grades_to_a_router_in_place_and_back(folder: Path) -> None:
    trained = farthing(*TRAIN, cwd=folder)
    assert trained.returncode == 0, trained.stderr
    assert "chooses among: mini (5%), mid (25%), large (100%)" in trained.stdout
    assert "<html" in (folder / "router.new.html").read_text()
    card = farthing("router", "explain", "router.new.npz", cwd=folder)
    assert "cheap mini, expensive large" in card.stdout
    easy = farthing("router", "explain", "router.new.npz", "Name the capital of 7?", cwd=folder)
    hard = farthing("router", "explain", "router.new.npz", "Prove step by step that x = y^2, if not 7?", cwd=folder)
    assert easy.stdout.startswith("cheap: mini 0.")
    assert "mini loses" in easy.stdout
    assert "mini loses" not in hard.stdout
    judged = farthing("router", "eval", "router.new.npz", "grades.jsonl", cwd=folder)
    assert "floor 90%: kept" in judged.stdout
    for _ in range(2):
        assert "is in place at live.npz" in farthing("router", "promote", "router.new.npz", cwd=folder).stdout
    assert "is back at live.npz" in farthing("router", "rollback", cwd=folder).stdout
    nothing = farthing("router", "rollback", cwd=folder)
    assert nothing.returncode == 1
    assert "No router was in place before" in nothing.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*TRAIN[:4], "minni", *TRAIN[5:]), "No answers of 'minni' are graded. Graded models: large, mid, mini."),
        (("router", "train", "none.jsonl", *TRAIN[3:]), "There is no file none.jsonl"),
        ((*TRAIN, "--out", "nowhere/router.npz"), "There is no folder nowhere"),
        ((*TRAIN, "--bound", "hope"), "Write betting or gaffke"),
        (("router", "explain", "none.npz"), "There is no router at none.npz"),
        (("router", "promote", "grades.jsonl", "--to", "x.npz"), "cannot be read"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_change(arguments: tuple[str, ...], said: str, folder: Path) -> None:
    done = farthing(*arguments, cwd=folder)
    assert done.returncode in (1, 2)
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (folder / "x.npz").exists()
