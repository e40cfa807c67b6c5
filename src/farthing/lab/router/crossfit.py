"""Out-of-fold gaps: every prompt judged by a router that never saw it, so that all labels both train and calibrate."""

import numpy as np

from farthing.brain.route.learned import trees
from farthing.brain.route.learned.base import Arrays, Floats, Kind
from farthing.brain.route.learned.choose import CHEAP, REFERENCE, losses
from farthing.brain.route.learned.router import READ_WEIGHT
from farthing.brain.route.learned.scorer import Scorer
from farthing.lab.router.boosting import Growth, grow
from farthing.lab.router.fit import fit
from farthing.lab.router.folds import Folds
from farthing.lab.router.matrix import Matrix
from farthing.lab.router.sums import Gaps

_AFTER = Growth(trees=150, depth=4, rate=0.06, least_rows=25)


def fit_all(rows: Matrix, *, seed: int = 0) -> Arrays:
    """The route models, and those that read cheap answers where there are any."""
    arrays = fit(rows.surface, rows.embeddings, rows.labels, seed=seed)
    if rows.answers is None:
        return arrays
    columns = own_columns(arrays, rows)
    pair = rows.labels[:, [CHEAP, REFERENCE]]
    arrays |= grow("after", np.concatenate([columns, rows.answers], axis=1), pair, _AFTER, seed=seed)
    if rows.agreements is not None:
        arrays |= grow("agreed", np.concatenate([columns, rows.answers, rows.agreements], axis=1), pair, _AFTER, seed=seed)
    return arrays


def own_columns(arrays: Arrays, rows: Matrix) -> Floats:
    """What the scorer would pass on for its own training prompts, each without its own label."""
    from farthing.brain.route.learned import neighbours

    scorer = Scorer(arrays, "stack")
    plain = scorer.standard(rows.surface)
    if rows.embeddings is None:
        return plain
    found, close = scorer.known.nearest(arrays["known"].astype(np.float32), leave_out_self=True)
    return np.concatenate([plain, neighbours.votes(found, close, scorer.labels)[1]], axis=1)


def gaps(arrays: Arrays, rows: Matrix, kind: Kind) -> Gaps:
    """What the router thinks of prompts that it did not see."""
    return gaps_by_kind(arrays, rows, (kind,))[kind]


def gaps_by_kind(arrays: Arrays, rows: Matrix, kinds: tuple[Kind, ...]) -> dict[Kind, Gaps]:
    """The same for several kinds of router, whose neighbours and readings of the answers are worked out once."""
    scorer = Scorer(arrays, "stack")
    seen = scorer.see(rows.surface, rows.embeddings)
    after, agreed = None, None
    if rows.answers is not None and "after.feature" in arrays:
        read = np.concatenate([seen.rows, rows.answers], axis=1)
        after = trees.unpack("after", arrays).predict(read)
        if rows.agreements is not None and "agreed.feature" in arrays:
            agreed = trees.unpack("agreed", arrays).predict(np.concatenate([read, rows.agreements], axis=1))
    made: dict[Kind, Gaps] = {}
    for kind in kinds:
        quality = scorer.quality(seen, kind)
        before = _gap(quality)
        made[kind] = Gaps(
            before=before,
            after=None if after is None else _mixed(after, before),
            agreed=None if agreed is None else _mixed(agreed, before),
            familiarity=seen.familiarity,
            each=losses(quality),
        )
    return made


def _gap(quality: Floats) -> Floats:
    return quality[:, REFERENCE] - quality[:, CHEAP]


def _mixed(quality: Floats, before: Floats) -> Floats:
    return READ_WEIGHT * _gap(quality) + (1 - READ_WEIGHT) * before


def cross_gaps(rows: Matrix, folds: Folds, kinds: tuple[Kind, ...], *, seed: int = 0) -> dict[Kind, Gaps]:
    """The gaps of every prompt by models trained on the other folds, for each kind of router."""
    parts: dict[Kind, list[Gaps]] = {kind: [] for kind in kinds}
    order: list[np.ndarray] = []
    for fold in np.unique(folds):
        test = folds == fold
        arrays = fit_all(rows.take(~test), seed=seed)
        order.append(np.flatnonzero(test))
        for kind, found in gaps_by_kind(arrays, rows.take(test), kinds).items():
            parts[kind].append(found)
    back = np.argsort(np.concatenate(order))
    return {kind: _joined(found).take(back) for kind, found in parts.items()}


def _joined(parts: list[Gaps]) -> Gaps:
    def all_of(name: str) -> Floats | None:
        found = [getattr(part, name) for part in parts]
        return None if found[0] is None else np.concatenate(found)

    before = all_of("before")
    assert before is not None
    return Gaps(before=before, after=all_of("after"), agreed=all_of("agreed"), familiarity=all_of("familiarity"), each=all_of("each"))
