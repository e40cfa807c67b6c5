"""Small talk by its meaning: a linear score over the question's vector, learned from a public set of things that people say to assistants.

Alone it would not do: "do you sell my data?" is put like small talk and answered by a policy. So nothing is skipped that any chunk of the
collection is like (`UNLIKE`). bench/retrieve.py prints what both together skip. The numbers belong to one embedder; with another the rules
stand alone.
"""

from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np

from farthing.brain.retrieve.lexical import Floats

UNLIKE = 0.5  # cosine of the nearest chunk under which a collection has nothing to say
SURE = 1.0  # score from which it is small talk
_SHIPPED = Path(__file__).parents[2] / "data" / "small_talk.json"


class _Numbers(msgspec.Struct, frozen=True):
    """What data/small_talk.json holds."""

    embedder: str
    weights: list[float]
    bias: float


class SmallTalk:
    """`embedder` is the id of the embedder whose vectors are meant."""

    def __init__(self, embedder: str, weights: list[float], bias: float) -> None:
        self.embedder = embedder
        self._weights, self._bias = np.array(weights, np.float32), bias

    def heard(self, vector: Floats) -> bool:
        return float(self._weights @ vector) + self._bias > SURE


@lru_cache(maxsize=1)
def shipped() -> SmallTalk:
    """As it comes with Farthing."""
    numbers = msgspec.json.decode(_SHIPPED.read_bytes(), type=_Numbers)
    return SmallTalk(numbers.embedder, numbers.weights, numbers.bias)
