"""From scores to what is worth a closer look: three steps, each of which can be left out.

    spread          where no candidate stands out, one that is like other good ones gains: a question that many documents speak of
near_the_best   what scores far below the best one is not sent, however much room is left
unlike          what repeats a better one by its meaning waits behind what says something else (maximal marginal relevance)
"""

import numpy as np

from farthing.brain.retrieve.lexical import Floats, Rows

SPREAD = 0.5
_SHARP = 16.0
GAP = 14.0  # of the ranker's score, which is in nats. At 9 a second hop is lost too often: 4 of 100 answers of hotpot500, none of nq_oracle
NOVELTY = 0.15  # of the two things that count, relevance and difference, how much is difference


def spread(scores: Floats, vectors: Floats, *, weight: float = SPREAD) -> Floats:
    """To each candidate's score the mean of the others', the nearest counting most, as far as the scores leave open which is the right one.

    `vectors[i]` is of candidate i. How open it is: the entropy of the scores' softmax, from 0 (one stands out) to 1, squared.
    """
    if len(scores) < 2 or weight <= 0:
        return scores
    powers = np.exp(scores - scores.max())
    shares = powers / powers.sum()
    openness = float(-(shares * np.log(shares + 1e-9)).sum() / np.log(len(scores)))
    near = np.exp(_SHARP * (vectors @ vectors.T - 1))
    np.fill_diagonal(near, 0)
    return scores + weight * openness**2 * (near @ scores) / (near.sum(axis=1) + 1e-9)


def near_the_best(order: Rows, scores: Floats, *, gap: float = GAP) -> Rows:
    """Of candidates in the ranker's order those whose score is within `gap` of the best."""
    return order[scores[order] >= scores[order[0]] - gap] if len(order) else order


def unlike(order: Rows, scores: Floats, vectors: Floats, count: int, *, novelty: float = NOVELTY) -> Rows:
    """At most `count` of them, one by one: relevance from 0 to 1 against the cosine to the nearest chosen. `vectors[i]` is of candidate i."""
    if not len(order) or novelty <= 0:
        return order[:count]
    some = scores[order]
    relevance = (some - some.min()) / max(float(np.ptp(some)), 1e-9)
    likeness = vectors[order] @ vectors[order].T
    nearest = np.zeros(len(order), np.float32)
    open_, chosen = np.ones(len(order), np.bool_), list[int]()
    while len(chosen) < min(count, len(order)):
        worth = np.where(open_, (1 - novelty) * relevance - novelty * nearest, -np.inf)
        best = int(worth.argmax())
        chosen.append(best)
        open_[best] = False
        nearest = np.maximum(nearest, likeness[best])
    return order[chosen]
