"""Labels from people: what a file must hold, and what is learned of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from farthing.brain.lessons import LessonSync, encode_labels
from farthing.brain.meaning import Meaning
from farthing.config import Semantic, Store
from farthing.core.clock import FrozenClock
from farthing.core.errors import ConfigError
from farthing.lab.cache.calibrate import Pair, calibrate, read_pairs
from farthing.stores.sqlite import Book, SemanticStore
from farthing.stores.sqlite.cachefile import CacheFile
from tests.brain.cache.test_semantic_lane import NOW, entry, lane

THINGS = ["card", "invoice", "ticket", "parcel", "ring", "lamp", "chair", "plant", "phone", "book", "watch", "camera", "violin", "carpet"]


def pairs(count: int = 120) -> list[Pair]:
    """Three in four are the same question but for a word that says nothing; the others are about another thing."""
    made: list[Pair] = []
    for number in range(count):
        thing, other = THINGS[number % 14], THINGS[(number + 1) % 14]
        a, b = f"how do i return a {thing} of shop {number}", f"how can i return a {thing} of shop {number}"
        made.append(Pair(a, b, True) if number % 4 else Pair(a, f"how do i return a {other} of shop {number}", False))
    return made


def vectors(found: list[Pair]) -> "np.ndarray":
    """Questions about the same shop are near each other; nothing else is."""
    chance, rows = np.random.default_rng(1), []
    for _ in found:
        base = chance.normal(size=32)
        rows += [base + chance.normal(size=32) * 0.02, base + chance.normal(size=32) * 0.02]
    stacked = np.stack(rows).astype(np.float32)
    return stacked / np.linalg.norm(stacked, axis=1, keepdims=True)


def write(path: Path, lines: list[object]) -> Path:
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return path


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"a": "x", "b": "y", "same": 1}', "line 2"),
        ('{"a": "x", "b": "y"}', "same"),
        ('{"a": "x", "b": "y", "same": true, "score": 1}', "score"),
        ('{"a": "", "b": "y", "same": true}', "line 2"),
        ("{nope", "line 2"),
        ("\xff", "line 2"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    path = write(tmp_path / "pairs.jsonl", [{"a": "x", "b": "y", "same": True}, line])
    with pytest.raises(ConfigError, match=told):
        read_pairs(path)


@pytest.mark.parametrize(
    ("same", "other", "told"),
    [(200, 0, '"same": false'), (0, 200, '"same": true'), (30, 30, "at least 100"), (0, 0, "at least 100")],
)
def test_a_file_that_teaches_nothing_is_refused(tmp_path: Path, same: int, other: int, told: str) -> None:
    lines = [{"a": f"a{number}", "b": f"b{number}", "same": number < same} for number in range(same + other)]
    with pytest.raises(ConfigError, match=told):
        read_pairs(write(tmp_path / "pairs.jsonl", list(lines)))
    with pytest.raises(ConfigError, match="Cannot read"):
        read_pairs(tmp_path / "absent.jsonl")


def test_pairs_that_contradict_each_other_are_refused() -> None:
    found = [Pair("a", "b", True), Pair("b", "c", True), Pair("a", "c", False)]
    with pytest.raises(ConfigError, match="said to differ"):
        calibrate(found, vectors(found), Semantic())


def test_labels_say_what_the_file_says() -> None:
    found = pairs()
    outcome = calibrate(found, vectors(found), Semantic())
    assert (outcome.pairs, outcome.same, outcome.unknown) == (120, 90, 0)
    assert len(outcome.labels) + outcome.vetoed == 120
    assert sum(label.right for label in outcome.labels) > 60


def test_gateways_learn_of_a_calibration_and_keep_it(tmp_path: Path) -> None:
    import asyncio

    found = pairs()
    labels = calibrate(found, vectors(found), Semantic()).labels

    async def scenario() -> None:
        store, clock = Store(path=str(tmp_path / "f.db")), FrozenClock(NOW)
        book = await Book.open(store, worker="0", clock=clock)
        running = Meaning(lane(), clock)
        sync = LessonSync(SemanticStore(book), running)
        sync.load()
        running.lane.place(entry(1), np.full(8, 8**-0.5, np.float32))
        file = CacheFile(store, clock=clock)
        file.put_calibration("acme", "faq", "constant", encode_labels(labels))
        file.put_calibration("globex", "", "constant", encode_labels(labels))
        file.put_calibration("acme", "", "another embedder", encode_labels(labels))
        sync.catch_up()
        space = running.lane._spaces[b"s"]
        assert space.namespace.labels == len(labels)
        assert sync.set_aside == 1
        assert running.lane._space(b"other", "acme", "shop").namespace.labels == 0
        assert running.lane._space(b"theirs", "globex", "shop").namespace.labels == len(labels)
        late = Meaning(lane(), clock)
        LessonSync(SemanticStore(book), late).load()
        assert late.lane._space(b"s", "acme", "faq").namespace.labels == len(labels)
        file.close()
        await book.close()

    asyncio.run(scenario())
