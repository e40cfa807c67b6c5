"""One of several models: the one that loses least when its cost is counted as quality.

At price `p` a model whose call costs the share `c` of the reference's is charged `c * p` beside the quality that it is expected to lose. As
`p` rises, every prompt moves to cheaper models only, so one dial runs from all-reference to all-cheapest, and the promise certifies a position of it.
With two models this is the cut of a gap at `p * (1 - c)`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.brain.route.learned.base import Floats, Header

CHEAP, REFERENCE = 0, 1  # columns


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates, the cheapest first: their columns among the models, and the cost of a call as a share of the reference's."""

    columns: tuple[int, ...]
    cost_ratios: tuple[float, ...]


def pool_of(header: Header) -> Pool | None:
    """`None` where there is nothing to choose but cheap or expensive. Raises `ValueError` for a candidate that was not trained."""
    if not header.candidates:
        return None
    if len(header.candidates) != len(header.cost_ratios):
        raise ValueError("candidates and their costs differ in number")
    return Pool(tuple(header.models.index(model) for model in header.candidates), header.cost_ratios)


def losses(quality: Floats) -> Floats:
    """Quality expected to be lost by each model against the reference. Rows are prompts, columns models."""
    return quality[:, [REFERENCE]] - quality


def totals(loss: Floats, pool: Pool, price: float) -> Floats:
    """What each candidate loses with its cost counted, in the order of the pool."""
    return loss[:, list(pool.columns)] + price * np.array(pool.cost_ratios)


def choose(loss: Floats, pool: Pool, price: float) -> npt.NDArray[np.int64]:
    """The column of the model for each prompt. Of equal ones the dearest, which is the safest."""
    dearest_first = totals(loss, pool, price)[:, ::-1]
    return np.array(pool.columns[::-1], np.int64)[dearest_first.argmin(axis=1)]
