"""Two linear scorers over cheap features, learned elsewhere and shipped as numbers: how well a passage, and a sentence, answers the question.

The weights are in data/retrieve.json, which says what they were learned from; bench/retrieve.py learns them anew without the set that it reports.
Deterministic; 0.1 ms a question.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from farthing.brain.retrieve import features
from farthing.brain.retrieve.lexical import Floats

_SHIPPED = Path(__file__).parents[2] / "data" / "retrieve.json"


class _Numbers(msgspec.Struct, frozen=True):
    """What data/retrieve.json holds."""

    passage: dict[str, float]
    sentence: dict[str, float]


class Ranker:
    """Scores without a scale: only differences within one question mean anything."""

    def __init__(self, passage: Mapping[str, float], sentence: Mapping[str, float]) -> None:
        self.passage = _weights(passage, features.NAMES)
        self.sentence = _weights(sentence, features.SENTENCE_NAMES)

    def passages(self, rows: Floats) -> Floats:
        return rows @ self.passage

    def sentences(self, rows: Floats) -> Floats:
        return rows @ self.sentence


def _weights(numbers: Mapping[str, float], names: tuple[str, ...]) -> Floats:
    if set(numbers) != set(names):
        raise ValueError(f"the ranker's numbers are for other features: {sorted(set(names) ^ set(numbers))}")
    return np.array([numbers[name] for name in names], np.float32)


@lru_cache(maxsize=1)
def shipped() -> Ranker:
    """As it comes with Farthing."""
    numbers = msgspec.json.decode(_SHIPPED.read_bytes(), type=_Numbers)
    return Ranker(numbers.passage, numbers.sentence)
