"""The example for Ray in docs/replay.md is run as it stands, on a stand-in for Ray that pickles what it passes, as Ray does."""

import pickle
import re
import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farthing.lab.replay.figures import figures
from farthing.lab.replay.source import ordered_by_time
from farthing.settings import load
from tests.cli.test_replay import TOML
from tests.lab.replay.logs import run
from tests.lab.replay.test_lake import lay
from tests.lab.replay.test_replay import mixed

PAGE = Path(__file__).resolve().parents[3] / "docs" / "replay.md"


class Remote:
    def __init__(self, function: Any) -> None:
        self._function = function

    def remote(self, *arguments: Any) -> Any:
        return pickle.loads(pickle.dumps(self._function(*pickle.loads(pickle.dumps(arguments)))))


def test_the_example_for_ray_adds_up_to_the_plain_replay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = ModuleType("ray")
    ray.remote, ray.get, ray.put = Remote, list, lambda value: value  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.chdir(tmp_path)
    calls = mixed()
    lay(calls, tmp_path / "lake")
    (tmp_path / "new.toml").write_text(TOML.replace("small", "small-1").replace("big", "big-1"))
    block = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block[1], str(PAGE), "exec"), names)
    plain = figures(run(ordered_by_time(calls), load(tmp_path / "new.toml", {}).config))
    found = figures(names["found"])
    assert found[1].cost_usd == plain[1].cost_usd > Decimal(0)
    assert [lane.latency for lane in found] == [lane.latency for lane in plain]
