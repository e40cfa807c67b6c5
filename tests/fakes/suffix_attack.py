"""An attacker who plants an answer: words are appended to a question until its vector lies beside that of somebody else's.

Gradient-free: one place of the suffix after the other is given the word that brings the vectors nearest, from words that are tried at random
and those of the victim's question (as in "CacheAttack" and other greedy coordinate searches; the attacker has the embedder, which is public).
"""

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def plant(embed: "Embed", question: str, victim: str, words: Sequence[str], *, places: int, rounds: int, tried: int, seed: int) -> tuple[str, float]:
    """The planted question and its cosine to the victim's. `tried` words a step; `rounds` passes over the `places` of the suffix."""
    chance = random.Random(seed)
    target = embed([victim])[0]
    suffix = [chance.choice(words) for _ in range(places)]
    best = float(embed([f"{question} {' '.join(suffix)}"])[0] @ target)
    for _ in range(rounds):
        for place in range(places):
            options = [*victim.split(), *chance.sample(list(words), tried)]
            texts = [f"{question} {' '.join([*suffix[:place], word, *suffix[place + 1 :]])}" for word in options]
            cosines = embed(texts) @ target
            at = int(cosines.argmax())
            if cosines[at] > best:
                best, suffix[place] = float(cosines[at]), options[at]
    return f"{question} {' '.join(suffix)}", best
