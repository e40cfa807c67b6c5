"""An engine is kept running, and given up in words; with an engine that obeys (tests/fakes/engine.py) and a clock that is told."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from farthing.config import Local
from farthing.core.clock import SystemClock
from farthing.models.local import supervise
from farthing.models.local.errors import EngineFailed
from farthing.models.local.fleet import Fleet, Planned
from farthing.models.local.rows import Engine
from farthing.models.local.supervise import Deaths, Supervised
from tests.fakes.gateway import free_port

FAKE = Path(__file__).parents[2] / "fakes" / "engine.py"


class Kept:
    """A supervised engine under test: what it told, and how long it slept."""

    def __init__(self, folder: Path, *, orders: str = "", **local: object) -> None:
        (folder / "orders").write_text(orders)
        self.folder = folder
        self.told: list[str] = []
        self.slept: list[float] = []
        self.local = Local(model="m.gguf", port=free_port(), **local)  # type: ignore[arg-type]
        self.row = Engine("fake", "gguf", lambda: True, "", lambda _, one: [sys.executable, str(FAKE), str(one.port), str(folder)], "fake:running")
        self.engine = Supervised("tiny", self.local, self.row, clock=SystemClock(), tell=self.tell, sleep=self.sleep)

    def tell(self, name: str, state: str, words: str) -> None:
        self.told.append(f"{name} {state} {words}".strip())

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.01))

    @property
    def states(self) -> list[str]:
        return [line.split()[1] for line in self.told]


def run(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), 30))  # type: ignore[arg-type]


def test_it_is_up_when_it_has_answered_and_its_prompts_are_computed(tmp_path: Path) -> None:
    async def scene() -> None:
        kept = Kept(tmp_path, warm=("You are brief.",))
        task = asyncio.create_task(kept.engine.keep())
        await kept.engine.up.wait()
        asked = [json.loads(line) for line in (tmp_path / "asked").read_text().splitlines()]
        assert [one["messages"][0]["role"] for one in asked] == ["user", "system"]
        assert asked[1]["messages"][0]["content"] == "You are brief."
        assert {one["max_tokens"] for one in asked} == {1}
        await kept.engine.stop()
        await task
        assert kept.states == ["starting", "up", "draining", "stopped"]
        assert (tmp_path / "asked").read_text().endswith("end\n")

    run(scene)


def test_one_that_is_killed_is_started_again(tmp_path: Path) -> None:
    async def scene() -> None:
        kept = Kept(tmp_path)
        task = asyncio.create_task(kept.engine.keep())
        await kept.engine.up.wait()
        first = kept.engine.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        while kept.states.count("up") < 2:
            await asyncio.sleep(0.01)
        assert kept.engine.pid not in (first, None)
        assert "tiny died was ended by SIGKILL; starting again in 0.5 s" in kept.told
        await kept.engine.stop()
        await task

    run(scene)


def test_what_an_engine_started_ends_with_it(tmp_path: Path) -> None:
    async def scene() -> None:
        kept = Kept(tmp_path, orders="parent\nparent")
        task = asyncio.create_task(kept.engine.keep())
        await kept.engine.up.wait()
        assert kept.engine.pid is not None
        os.kill(kept.engine.pid, signal.SIGKILL)
        while kept.states.count("up") < 2:
            await asyncio.sleep(0.01)
        await kept.engine.stop()
        await task
        children = [line.split()[1] for line in (tmp_path / "asked").read_text().splitlines() if line.startswith("child")]
        assert len(children) == 2
        while any(Path(f"/proc/{child}/exe").exists() for child in children):
            await asyncio.sleep(0.01)

    run(scene)


def test_one_that_never_answered_is_given_up_with_its_words(tmp_path: Path) -> None:
    async def scene() -> None:
        kept = Kept(tmp_path, orders="die 3 no kernel image for this device")
        with pytest.raises(EngineFailed, match=r"ended with status 3 before it answered(?s:.*)error: no kernel image for this device"):
            await kept.engine.keep()
        assert kept.states == ["starting"]

    run(scene)


def test_one_that_answered_once_is_tried_five_times(tmp_path: Path) -> None:
    async def scene() -> None:
        kept = Kept(tmp_path, orders="serve\n" + "die 1 out of memory\n" * 9)
        task = asyncio.create_task(kept.engine.keep())
        await kept.engine.up.wait()
        assert kept.engine.pid is not None
        os.kill(kept.engine.pid, signal.SIGKILL)
        with pytest.raises(EngineFailed, match="out of memory"):
            await task
        assert kept.states.count("starting") == 6

    run(scene)


def test_one_that_does_not_answer_in_time_is_ended(tmp_path: Path) -> None:
    async def scene() -> None:
        kept = Kept(tmp_path, orders="mute", ready_timeout_s=0.05)
        with pytest.raises(EngineFailed, match=r"did not answer within 0.05 s. Raise local.tiny.ready_timeout_s"):
            await kept.engine.keep()
        assert kept.engine.pid is None

    run(scene)


def test_running_answers_may_end_before_it_is_stopped(tmp_path: Path) -> None:
    async def scene() -> None:
        kept = Kept(tmp_path)
        task = asyncio.create_task(kept.engine.keep())
        await kept.engine.up.wait()
        (tmp_path / "running").write_text("2")
        stop = asyncio.create_task(kept.engine.stop())
        while len(kept.slept) < 5:
            await asyncio.sleep(0.01)
        assert kept.engine.pid is not None
        (tmp_path / "running").write_text("0")
        await stop
        await task
        assert kept.engine.pid is None

    run(scene)


def test_one_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        kept = Kept(tmp_path, orders="stubborn")
        task = asyncio.create_task(kept.engine.keep())
        await kept.engine.up.wait()
        await kept.engine.stop()
        await task
        assert kept.engine.pid is None

    monkeypatch.setattr(supervise, "_TERM_S", 0.2)
    run(scene)


def test_pauses_grow_and_shrink_again() -> None:
    deaths = Deaths()
    assert [deaths.after(1.0, answered=True) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert deaths.after(61.0, answered=True) == 0.5
    assert [deaths.after(0.1, answered=False) for _ in range(5)] == [1, 2, 4, 8, None]
    assert Deaths().after(0.1, answered=False) is None


def test_a_fleet_starts_in_order_and_stops_all(tmp_path: Path) -> None:
    async def scene() -> None:
        one, other = (Kept(_made(tmp_path / name)) for name in ("one", "other"))
        told: list[str] = []

        def tell(name: str, state: str, words: str) -> None:
            del words
            told.append(f"{name} {state}")
            if told[-2:] == ["other starting", "other up"]:
                fleet.stop()

        planned = [Planned(name, kept.local, kept.row, 0) for name, kept in (("one", one), ("other", other))]
        fleet = Fleet(planned, clock=SystemClock(), tell=tell)
        await fleet.run()
        assert told[:4] == ["one starting", "one up", "other starting", "other up"]
        assert sorted(told[4:]) == ["one draining", "one stopped", "other draining", "other stopped"]

    run(scene)


def test_one_that_fails_stops_the_others(tmp_path: Path) -> None:
    async def scene() -> None:
        one, other = Kept(_made(tmp_path / "one")), Kept(_made(tmp_path / "other"), orders="die 1 cannot load")
        told: list[str] = []
        planned = [Planned(name, kept.local, kept.row, 0) for name, kept in (("one", one), ("other", other))]
        fleet = Fleet(planned, clock=SystemClock(), tell=lambda name, state, _: told.append(f"{name} {state}"))
        with pytest.raises(EngineFailed, match="cannot load"):
            await fleet.run()
        assert told[-1] == "one stopped"

    run(scene)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
