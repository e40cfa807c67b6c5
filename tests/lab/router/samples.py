"""Graded prompts whose difficulty can be read off: easy topics that the cheap model gets right, hard ones that it mostly does not."""

import numpy as np

from farthing.core.request import Turn
from farthing.lab.router.graded import Graded

CHEAP, SECOND, DEAR = "mini", "nano", "large"
TOPICS = ("capital of", "translate the word", "prove the theorem about", "integrate the function")
EASE = (0.97, 0.93, 0.35, 0.45)


class WordTokens:
    def estimate(self, text_bytes: int) -> int:
        return text_bytes // 4

    def count(self, text: str, model: str) -> int:
        del model
        return len(text.split())


def graded(count: int = 400, *, seed: int = 0, answers: bool = True, embeddings: bool = True, endpoint: str = "*") -> Graded:
    random = np.random.default_rng(seed)
    topics = random.integers(0, len(TOPICS), count)
    easy = np.array(EASE)[topics]
    cheap, second, dear = ((random.random(count) < chance).astype(float) for chance in (easy, easy, np.minimum(1, easy + 0.4)))
    centres = np.random.default_rng(7).normal(size=(len(TOPICS), 16))
    vectors = centres[topics] + random.normal(scale=0.4, size=(count, 16))
    said = {
        model: tuple(f"The answer is {42 if right else int(random.integers(100, 10_000))}." for right in scores)
        for model, scores in ((CHEAP, cheap), (SECOND, second))
    }
    return Graded(
        ids=tuple(f"p{number}" for number in range(count)),
        prompts=tuple((Turn("user", f"{TOPICS[topic]} thing number {number} of {seed}?"),) for number, topic in enumerate(topics)),
        groups=tuple(TOPICS[topic] for topic in topics),
        endpoints=(endpoint,) * count,
        models=(CHEAP, DEAR, SECOND),
        scores=np.stack([cheap, dear, second], axis=1),
        costs=np.tile([1.0, 20.0, 1.0], (count, 1)),
        answers=said if answers else {},
        embeddings=(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32) if embeddings else None,
    )
