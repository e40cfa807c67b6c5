"""Quality as figures: mean score, quality relative to the expensive tier, and how far both may be off. Pure, and plain floats.

Means have Wilson's interval, which is sound for shares and wide for grades (a grade varies less than a yes or no of the same mean). The
ratio has the interval of its linearisation, over pairs of scores for the same question; below `FEWEST_PAIRS` none is claimed.
"""

from math import sqrt
from statistics import NormalDist

import msgspec

from farthing.core.judgement import VerdictSums

FEWEST_PAIRS = 8


class Quality(msgspec.Struct, frozen=True):
    """What verdicts say. `None`: nobody said enough."""

    verdicts: int
    scored: int
    mean: float | None
    low: float | None
    high: float | None
    pairs: int
    ratio: float | None  # to the expensive tier's answers
    ratio_low: float | None
    ratio_high: float | None
    cost_picousd: int
    unpriced: int


def quality(sums: VerdictSums, confidence: float = 0.95) -> Quality:
    """Figures with their intervals."""
    edges = wilson(sums.score, sums.scored, confidence=confidence)
    low, high = edges if edges is not None else (None, None)
    ratio, reach = _ratio(sums, confidence)
    return Quality(
        verdicts=sums.verdicts,
        scored=sums.scored,
        mean=sums.score / sums.scored if sums.scored else None,
        low=low,
        high=high,
        pairs=sums.paired,
        ratio=ratio,
        ratio_low=None if ratio is None or reach is None else max(0.0, ratio - reach),
        ratio_high=None if ratio is None or reach is None else ratio + reach,
        cost_picousd=sums.cost_picousd,
        unpriced=sums.unpriced,
    )


def wilson(good: float, of: int, *, confidence: float = 0.95) -> tuple[float, float] | None:
    """Wilson's interval for a share: `good` of `of` independent verdicts (a fraction is fine). Sound also at 0 and at 1. `None` of none."""
    if of <= 0:
        return None
    z = _z(confidence)
    share, room = good / of, z * z / of
    middle = (share + room / 2) / (1 + room)
    reach = z * sqrt(max(0.0, share * (1 - share) / of + room / (4 * of))) / (1 + room)
    return (0.0 if good <= 0 else max(0.0, middle - reach)), (1.0 if good >= of else min(1.0, middle + reach))


def _ratio(sums: VerdictSums, confidence: float) -> tuple[float | None, float | None]:
    """Sum of scores over sum of reference scores, and half the width of its interval."""
    if not sums.reference > 0:
        return None, None
    ratio = sums.paired_score / sums.reference
    if sums.paired < FEWEST_PAIRS:
        return ratio, None
    residual_squares = sums.score_squares - 2 * ratio * sums.products + ratio * ratio * sums.reference_squares
    variance = max(0.0, residual_squares) * sums.paired / (sums.paired - 1)
    return ratio, _z(confidence) * sqrt(variance) / sums.reference


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
