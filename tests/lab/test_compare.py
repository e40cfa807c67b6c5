"""Paired differences of replays."""

import random
from pathlib import Path

import pytest

from farthing.config import Route, Rule
from farthing.core.errors import ConfigError
from farthing.lab.compare import Comparison, compare, open_side
from farthing.lab.compare_table import verdict
from farthing.lab.replay.document import as_json
from farthing.lab.replay.figures import figures
from farthing.lab.replay.run import Replay
from tests.lab.replay.logs import NOON, SMALL, call, config, run

STAY = config(route=Route(rules=()))
CHEAP = config(route=Route(rules=(Rule(name="all", tier="cheap"),)))


def written(found: Replay, path: Path) -> str:
    path.write_bytes(as_json(found, figures(found)))
    return str(path)


def traffic(count: int = 200) -> Replay:
    """The big model is right nine times in ten, the small one on those and no other but every 25th."""
    draw = random.Random(5)
    calls, answers = [], []
    for number in range(count):
        good = draw.random() < 0.9
        asked = {"request_id": f"id {number}", "run_id": f"run {number // 2}", "received_at": NOON + number, "tokens_in": draw.randrange(10, 500)}
        calls.append(call(f"question {number}", score=float(good), **asked))
        answers.append(call(f"question {number}", model=SMALL, score=float(good and number % 25 > 0), latency_s=0.5, tokens_in=asked["tokens_in"]))
    return run(calls, STAY, CHEAP, answers=answers)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(traffic(), tmp_path_factory.mktemp("replays") / "a.json")


def lines(found: Comparison) -> dict[str, tuple[float, str]]:
    return {line.name: (line.difference.value, verdict(line)) for line in found.lines}


def test_what_two_lanes_share_does_not_blur_their_difference(path: str) -> None:
    found = compare(open_side(f"{path}#config 1"), open_side(path))
    assert (found.pairs, found.runs, found.only_first) == (200, 100, 0)
    assert lines(found)["latency"] == (-500.0, "lower")
    assert lines(found)["answered"] == (0.0, "no difference seen")
    quality = next(line for line in found.lines if line.name == "quality")
    assert -0.05 < quality.difference.value < 0
    assert verdict(quality) == "lower"
    cost = next(line for line in found.lines if line.name == "cost per request")
    assert cost.difference.low is not None
    assert cost.difference.high is not None
    assert cost.relative == pytest.approx(-0.9)
    assert cost.difference.low < cost.difference.value < cost.difference.high < 0
    run_cost = next(line for line in found.lines if line.name == "cost per run")
    assert run_cost.difference.value == pytest.approx(2 * cost.difference.value)


def test_a_lane_against_itself_shows_no_difference(path: str) -> None:
    found = compare(open_side(f"{path}#config 1"), open_side(f"{path}#as logged"))
    assert {value for value, _ in lines(found).values()} == {0.0}
    assert {word for _, word in lines(found).values()} == {"no difference seen"}


def test_pairs_are_found_by_id_and_the_rest_is_counted(path: str, tmp_path: Path) -> None:
    part = run([call("question 3", request_id="id 3"), call("other", request_id="elsewhere")], STAY)
    found = compare(open_side(path), open_side(written(part, tmp_path / "b.json")))
    assert (found.pairs, found.only_first, found.only_second) == (1, 199, 1)
    assert {verdict(line) for line in found.lines} == {"too few runs to tell"}


def test_an_estimate_that_both_use_is_no_doubt_about_their_difference(tmp_path: Path) -> None:
    known = [call(f"other {number}", model=SMALL, tokens_out=number, received_at=NOON + number, request_id=f"k{number}") for number in range(1, 41)]
    asked = [call(f"mine {number}", received_at=NOON + 100 + number, request_id=f"m{number}") for number in range(20)]
    path = written(run([*known, *asked], CHEAP, CHEAP, STAY), tmp_path / "c.json")
    same = compare(open_side(f"{path}#config 1"), open_side(f"{path}#config 2")).lines[0].difference
    other = compare(open_side(f"{path}#config 1"), open_side(f"{path}#config 3")).lines[0].difference
    assert same.high is not None
    assert other.high is not None
    assert same.high - same.value < other.high - other.value


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"{", "is no replay"), (b'{"format":"x","lanes":[],"requests":{"id":[],"run":[]}}', "of format 'x'")],
)
def test_what_is_no_replay_is_said_so(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        open_side(str(path))


def test_a_lane_that_is_not_there_is_named_with_those_that_are(path: str) -> None:
    with pytest.raises(ConfigError, match="as logged, config 1, config 2"):
        open_side(f"{path}#nothing")


def test_replays_of_different_logs_do_not_pair(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no request in common"):
        compare(open_side(path), open_side(written(run([call(request_id="x")], STAY), tmp_path / "d.json")))
