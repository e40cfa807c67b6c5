"""R3, the store alone: 64 callers in two processes race for a budget of 10, and exactly 10 get in.

FARTHING_ROUNDS sets how many rounds of each kind (10 when unset); `python bench/budget_race.py` runs 100.
"""

import os
from pathlib import Path

import pytest

from tests.fakes.figures import figure
from tests.stores.crowd import PROCESSES, race
from tests.stores.samples import meter, query

ROUNDS = int(os.environ.get("FARTHING_ROUNDS", "10"))
LIMIT = 10
CALLERS = 64
WORKERS = 2


@pytest.mark.parametrize("kind", ["reserve", "record"])
def test_exactly_the_budget_is_admitted(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "race.db")
    pipes = [PROCESSES.Pipe() for _ in range(WORKERS)]
    children = [PROCESSES.Process(target=race, args=(path, f"w{i}", pipe[1])) for i, pipe in enumerate(pipes)]
    for child in children:
        child.start()
    ends = [pipe[0] for pipe in pipes]
    assert [end.recv() for end in ends] == ["ready"] * WORKERS
    shared = 0
    for number in range(ROUNDS):
        for end in ends:
            end.send((kind, f"round {number}", LIMIT, CALLERS // WORKERS))
        admitted = [end.recv() for end in ends]
        assert sum(admitted) == LIMIT, admitted
        assert meter(path, f"round {number}") == ((0, LIMIT) if kind == "reserve" else (LIMIT, 0))
        shared += min(admitted) > 0
    written = query(path, f"SELECT count(*) FROM {'intents' if kind == 'reserve' else 'requests'}")
    for end, child in zip(ends, children, strict=True):
        end.send(None)
        child.join()
    assert written == [(LIMIT * ROUNDS,)]
    figure("R3 ledger", f"{kind}: exactly {LIMIT} of {CALLERS} admitted in {ROUNDS} rounds over {WORKERS} processes ({shared} rounds shared by both)")
