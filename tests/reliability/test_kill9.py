"""R1, the store alone: kill -9 at random instants loses, doubles or tears no acknowledged row, and orphans are swept.

FARTHING_TRIALS sets how many kills (25 when unset); `python bench/kill9.py` runs 1,000 and prints the figure.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

from farthing import config
from farthing.core.clock import SystemClock
from farthing.stores.sqlite import Book
from tests.fakes.figures import figure
from tests.stores.crowd import METER, PROCESSES, book_until_killed
from tests.stores.samples import meter, query

TRIALS = int(os.environ.get("FARTHING_TRIALS", "25"))
TRIALS_PER_FILE = 10
LONGEST = 600  # acknowledgements before the kill


def _lines(pipe: int) -> Iterator[str]:
    """Whole lines until the writer is gone; a line that was cut was acknowledged to nobody."""
    rest = b""
    while piece := os.read(pipe, 65_536):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in lines)


def _kill_one(path: str, name: str, after: int) -> dict[str, set[str]]:
    """What a worker that was killed after that many acknowledgements had acknowledged."""
    heard, said = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=book_until_killed, args=(path, name, said))
    child.start()
    said.close()
    acknowledged: dict[str, set[str]] = {"reserved": set(), "settled": set()}
    for number, line in enumerate(_lines(heard.fileno())):
        what, request_id = line.split()
        acknowledged[what].add(request_id)
        if number == after:
            child.kill()
    child.join()
    heard.close()
    return acknowledged


async def _restart(path: str) -> int:
    """Open and close the book as the next start would; how many orphans it found."""
    book = await Book.open(config.Store(path=path), worker="next", clock=SystemClock())
    swept = book.counts.swept
    await book.close()
    return swept


def _check(path: str, name: str, acknowledged: dict[str, set[str]]) -> None:
    rows = query(path, "SELECT request_id, outcome FROM requests WHERE request_id LIKE ?", f"{name}.%")
    outcomes = dict(rows)
    assert len(outcomes) == len(rows), "a request is in the book twice"
    assert {outcomes.get(request_id) for request_id in acknowledged["settled"]} <= {"ok"}, "an acknowledged settle is lost"
    assert acknowledged["reserved"] <= outcomes.keys(), "an acknowledged reservation is lost"
    assert query(path, "SELECT count(*) FROM intents") == [(0,)]
    assert meter(path, METER) == (query(path, "SELECT count(*) FROM requests")[0][0], 0)
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


def test_kill_9_loses_nothing_acknowledged(tmp_path: Path) -> None:
    draw = random.Random(9)
    acknowledgements = swept = 0
    for trial in range(TRIALS):
        path = str(tmp_path / f"{trial // TRIALS_PER_FILE}.db")
        acknowledged = _kill_one(path, f"t{trial}", draw.randint(0, LONGEST))
        swept += asyncio.run(_restart(path))
        _check(path, f"t{trial}", acknowledged)
        acknowledgements += sum(len(ids) for ids in acknowledged.values())
    figure("R1 ledger", f"0 of {acknowledgements} acknowledged rows lost, doubled or torn in {TRIALS} kill -9; {swept} orphans swept")
