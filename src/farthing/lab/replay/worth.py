"""How good a configuration's choices would have been, from a log in which chance had a part: off-policy estimates (`lab.offpolicy`).

Only graded requests count, and only where some of them were chosen by chance (`route.learned.explore`, or a log with `propensity`): the answers that
the configuration shares with the log are a chosen few, and without chances nothing says how they were chosen.
"""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from farthing.lab.offpolicy import Logged, NotOverlapping, Worth, expected, robust_rows, worth
from farthing.lab.replay.columns import Columns
from farthing.lab.replay.run import LaneResult, Replay

Floats = NDArray[np.float64]
_REUSED = ("exact", "normalised", "semantic", "coalesced")


def worth_of(lane: LaneResult, found: Replay) -> Worth | None:
    """`None` where the log cannot say: nothing graded, no part of chance, or no choice in common."""
    made = _paired(lane.columns, found)
    if made is None:
        return None
    logged, of_logged, of_other, _ = made
    try:
        return worth(logged, of_logged, of_other)
    except NotOverlapping:
        return None


def robust_scores(lane: LaneResult, found: Replay) -> list[float | None]:
    """The doubly robust estimate of each request, `None` where it has none: what `farthing compare` pairs."""
    rows: list[float | None] = [None] * len(lane.columns)
    made = _paired(lane.columns, found)
    if made is not None:
        logged, of_logged, of_other, graded = made
        for at, value in zip(np.flatnonzero(graded).tolist(), robust_rows(logged, of_logged, of_other).tolist(), strict=True):
            rows[at] = value
    return rows


def _paired(lane: Columns, found: Replay) -> tuple[Logged, Floats, Floats, NDArray[np.bool_]] | None:
    """Graded requests with the log's choice beside the lane's, what a model expects of either, and which requests these are."""
    log, requests, words = found.lanes[0].columns, found.requests, found.names.words.values
    scores, chance = np.array(log.score), np.array(requests.propensity)
    chosen, other = np.array(log.model, np.int64), np.array(lane.model, np.int64)
    reused = np.isin(np.array(lane.cache), [code for code, word in enumerate(words) if word in _REUSED])
    graded = ~np.isnan(scores) & (chosen > 0) & (other > 0)
    if graded.sum() < 2 or not (chance[graded] < 1).any():
        return None
    folds = np.array([crc32(name.encode("utf-8", "surrogatepass")) % 2 for name in requests.ids], np.int64)[graded]
    groups = np.array(requests.endpoints, np.int64)[graded]
    runs, reward = np.array(requests.runs, np.int64)[graded], scores[graded]
    same = (chosen == other)[graded] & ~reused[graded]
    # A model that the endpoint's log never shows had no chance there, whatever the chance of the one that was chosen.
    seen = np.isin((groups << 20) + other[graded], (groups << 20) + chosen[graded])
    logged = Logged(reward=reward, propensity=chance[graded], same=same, possible=same | (seen & (chance[graded] < 1)), runs=runs)
    of_logged, of_other = (expected(chosen[graded], groups, reward, folds, of[graded]) for of in (chosen, other))
    known = np.array(lane.score)[graded]
    return logged, of_logged, np.where(reused[graded] & ~np.isnan(known), known, of_other), graded
