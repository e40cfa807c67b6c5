"""The sequential test: does a lever keep the quality floor?

A sample is a pair of scores, of the lever's answer and of the expensive tier's. Its difference `x = score - floor * reference` has mean zero
or more exactly when the lever keeps the floor. Evidence is money won by betting against that (Waudby-Smith & Ramdas 2024, "Estimating means of
bounded random variables by betting"): capital `prod(1 - bet * x)` cannot grow in expectation while the floor holds, whatever the distribution,
however often one looks. It is run as an e-detector of the CUSUM kind (Shin, Ramdas & Rinaldo 2024, "E-detectors"): capital never
falls below one, so a lever that was good for a year is caught as fast as a new one. By that theory a lever that sits on the floor itself runs at
least `ALARM` samples before an alarm on average; one at parity with the expensive tier practically never alarms (bench/quality.py).

The bet is what maximises growth at a drop of `DROP` below the floor, given the spread seen so far (drop / mean square), so noisy judges
bet little and steady ones much. It looks only backwards, which is all that the theory asks. Costs: 1 us a sample.
"""

from math import log, log1p

from farthing.core.judgement import Stance

ALARM = 30.0  # evidence at which a lever has broken the floor
HOLDS = 10.0  # evidence at which a lever on trial keeps it
DROP = 0.03  # what we want to see soon: three points under the floor
_LARGEST_BET = 0.95  # below 1 the capital stays positive: x <= 1
_PRIOR_SAMPLES = 20
_PRIOR_SQUARE = 0.03  # differences of a sixth, until we know better
_LOG_ALARM, _LOG_HOLDS = log(ALARM), log(HOLDS)


def begin(stance: Stance, floor: float) -> Stance:
    """The same stance with no evidence for or against."""
    return Stance(stance.phase, stance.since, stance.until, stance.cool_down_s, floor=floor)


def observe(stance: Stance, score: float, reference: float, floor: float) -> Stance:
    """The evidence after one more pair of scores. Evidence gathered about another floor is dropped."""
    if stance.floor != floor:
        stance = begin(stance, floor)
    x = min(1.0, max(0.0, score)) - floor * min(1.0, max(0.0, reference))
    bet = _bet(stance)
    return Stance(
        stance.phase,
        stance.since,
        stance.until,
        stance.cool_down_s,
        broke=max(0.0, stance.broke) + log1p(-bet * x),
        holds=stance.holds + log1p(bet * x),
        samples=stance.samples + 1,
        score_sum=stance.score_sum + score,
        reference_sum=stance.reference_sum + reference,
        square_sum=stance.square_sum + x * x,
        floor=floor,
    )


def has_broken(stance: Stance) -> bool:
    return stance.broke >= _LOG_ALARM


def has_held(stance: Stance) -> bool:
    return stance.holds >= _LOG_HOLDS


def ratio(stance: Stance) -> float | None:
    """Quality relative to the expensive tier, over the samples of this phase."""
    return stance.score_sum / stance.reference_sum if stance.reference_sum > 0 else None


def _bet(stance: Stance) -> float:
    reference = stance.reference_sum / stance.samples if stance.samples else 1.0
    mean_square = (stance.square_sum + _PRIOR_SAMPLES * _PRIOR_SQUARE) / (stance.samples + _PRIOR_SAMPLES)
    return min(_LARGEST_BET, DROP * reference / mean_square)
