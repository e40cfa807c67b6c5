"""The promise: thresholds from labels, a judge that errs, and a namespace that learns."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.brain.cache.semantic.certify import FEWEST_NEAR, NEVER, Evidence, JudgeErrors, stratum
from farthing.brain.cache.semantic.context import Record, survey
from farthing.brain.cache.semantic.judge import MOST_CALLS, Judge
from farthing.brain.cache.semantic.namespace import STRICT_LABELS, Namespace, Promise
from farthing.brain.cache.semantic.scorer import SHIPPED_PRIOR, Scorer, fit, load_prior
from farthing.brain.cache.semantic.verifier import Compared

PRIOR = load_prior(SHIPPED_PRIOR)
TWIN = Compared(6.0, None, 0, 0, True)
STRANGER = Compared(-6.0, None, 1, 3, False)
GOOD = 5.2  # a score of 99.4 %
NO_ERRORS = JudgeErrors()


def _evidence(labels: int, wrong_share: float, score: float = GOOD, seed: int = 1) -> Evidence:
    chance, evidence = random.Random(seed), Evidence()
    for _ in range(labels):
        evidence.seen(score)
        evidence.label(score, right=chance.random() >= wrong_share)
    return evidence


def test_nothing_is_certified_without_labels() -> None:
    for labels in (0, 1, FEWEST_NEAR - 1):
        assert _evidence(labels, 0.0).certificate(0.01, z=1.0, judge=NO_ERRORS).threshold == NEVER


def test_clean_labels_certify_and_wrong_ones_do_not() -> None:
    clean = _evidence(400, 0.0).certificate(0.01, z=1.0, judge=NO_ERRORS)
    assert clean.threshold <= GOOD
    assert clean.bound is not None
    assert clean.bound <= 0.01
    assert _evidence(400, 0.05).certificate(0.01, z=1.0, judge=NO_ERRORS).threshold > GOOD


@given(st.floats(0.001, 0.2), st.floats(0.001, 0.2), st.integers(0, 2000), st.floats(0, 0.1))
@settings(max_examples=60, deadline=None)
def test_a_stricter_promise_never_has_a_lower_threshold(one: float, other: float, labels: int, wrong: float) -> None:
    evidence = _evidence(labels, wrong)
    strict, lax = (evidence.certificate(bound, z=1.0, judge=NO_ERRORS).threshold for bound in sorted((one, other)))
    assert strict >= lax


def test_errors_of_the_judge_that_repeat_are_corrected_for() -> None:
    """A judge that calls 2 % of equal answers different hides that the cache errs in none."""
    seen = _evidence(3000, 0.02)
    assert seen.certificate(0.01, z=1.0, judge=NO_ERRORS).threshold > GOOD
    assert seen.certificate(0.01, z=1.0, judge=JudgeErrors(false_other=0.02)).threshold <= GOOD


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_strata_are_ordered_as_scores_are(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert stratum(low) <= stratum(high)


@pytest.mark.parametrize("error", [0.0, 0.02, 0.05])
def test_the_judge_s_rate_of_error_is_found_and_outvoted(error: float) -> None:
    chance, judge = random.Random(7), Judge()
    wrong = 0
    rounds = 4000
    for _ in range(rounds):
        truth = chance.random() < 0.5
        weighing = judge.weigh(0.5, chance.random())
        while weighing.wants_more:
            weighing.hear(truth != (chance.random() < error))
        wrong += weighing.same != truth
    assert wrong / rounds <= 0.002
    assert judge.error == pytest.approx(error, abs=0.015)
    assert judge.calls / rounds < 3.5


def test_weighing_ends_even_with_a_judge_that_tosses_a_coin() -> None:
    chance, judge = random.Random(3), Judge()
    for _ in range(300):
        weighing = judge.weigh(0.5, chance.random())
        while weighing.wants_more:
            weighing.hear(chance.random() < 0.5)
        assert weighing.yes + weighing.no <= MOST_CALLS
    assert judge.error > 0.2


def _taught(coin: float, labels: int, *, right: bool = True) -> Namespace:
    """A namespace that was asked the same few things again and again."""
    space = Namespace(Promise(0.01, 0.85), PRIOR, coin=lambda: coin)
    group = space.open_group()
    space.add_key(0, group)
    for number in range(1, labels + 1):
        look = space.look([0], [0.97], lambda _key, _cosine: TWIN)
        space.add_key(number, space.learn(look, [(group, right)]))
    return space


def test_a_namespace_serves_once_it_is_certified_and_audits_for_ever() -> None:
    assert not _taught(0.9, 20).look([0], [0.97], lambda _key, _cosine: TWIN).serve
    taught = _taught(0.9, 600)
    look = taught.look([0], [0.97], lambda _key, _cosine: TWIN)
    assert look.serve
    assert "bound" in look.reason
    audited = _taught(0.0, 600).look([0], [0.97], lambda _key, _cosine: TWIN)
    assert (audited.serve, audited.audited) == (False, True)


def test_a_namespace_whose_labels_are_wrong_never_serves() -> None:
    assert not _taught(0.9, 600, right=False).look([0], [0.97], lambda _key, _cosine: TWIN).serve


def test_a_veto_holds_whatever_was_learned() -> None:
    vetoed = Compared(6.0, "a number differs", 0, 0, True)
    look = _taught(0.9, 600).look([0], [0.999], lambda _key, _cosine: vetoed)
    assert (look.serve, look.reason) == (False, "a number differs")


def test_a_new_namespace_is_strict() -> None:
    space = _taught(0.9, STRICT_LABELS - 100)
    different = Compared(6.0, None, 1, 0, True)
    assert not space.look([0], [0.999], lambda _key, _cosine: different).serve


def test_a_caller_s_bound_only_tightens() -> None:
    space = _taught(0.9, 600)

    def served(bound: float | None) -> bool:
        return space.look([0], [0.97], lambda _key, _cosine: TWIN, max_wrong=bound).serve

    assert served(None)
    assert served(0.5)
    assert not served(1e-6)


def test_a_wrong_audit_is_acted_on_at_once() -> None:
    space = _taught(0.0, 600)
    group = space.group_of[0]
    for _ in range(60):
        look = space.look([0], [0.97], lambda _key, _cosine: TWIN)
        space.learn(look, [(group, False)])
    assert space.certificate.threshold == NEVER or not space.look([0], [0.97], lambda _key, _cosine: TWIN).audited


def test_a_constant_embedder_finds_no_answer_of_another_key() -> None:
    """Whatever the vector says, words that have nothing in common are not served in a new namespace."""
    space = _taught(0.9, 300)
    assert not space.look([0], [1.0], lambda _key, _cosine: STRANGER).serve


def test_forgotten_keys_take_their_group_along() -> None:
    space = Namespace(Promise(), PRIOR, coin=lambda: 0.5)
    group = space.open_group()
    space.add_key(1, group)
    space.add_key(2, group)
    space.forget_key(1)
    assert group in space.records
    space.forget_key(2)
    space.forget_key(2)
    assert group not in space.records


def test_the_survey_prefers_the_answer_with_most_of_the_neighbourhood() -> None:
    records = {1: Record(keys=1), 2: Record(keys=3)}
    found = survey([10, 20, 21, 22], [0.90, 0.895, 0.89, 0.885], [1, 2, 2, 2], records, lambda _key, _cosine: TWIN)
    assert found is not None
    assert found.group == 2
    assert found.others == (2, 1)
    assert survey([], [], [], records, lambda _key, _cosine: TWIN) is None


def test_a_scorer_learns_what_its_prior_did_not_know() -> None:
    row = survey([1], [0.9], [1], {1: Record(keys=1)}, lambda _key, _cosine: TWIN)
    assert row is not None
    scorer = Scorer(PRIOR)
    before = scorer.score(row.row)
    for _ in range(300):
        scorer.learn(row.row, False)
    assert scorer.score(row.row) < before
    assert math.isfinite(scorer.score(row.row))


def test_a_fit_never_ends_worse_than_the_prior() -> None:
    """Rows far from what the prior was made of, as random pairs are: steps of Newton's method alone run away with scores of hundreds."""
    chance = np.random.default_rng(4)
    size, prior = len(PRIOR.weights), np.array(PRIOR.weights)
    rows = chance.normal(size=(250, size)) * chance.choice([0.1, 1.0, 25.0], size=size)
    labels = (chance.random(250) < 0.5).astype(float)
    weights = fit(rows, labels, prior, 6.0)

    def unlikely(found: "np.ndarray") -> float:
        return float(np.logaddexp(0, rows @ found).sum() - labels @ (rows @ found) + 3.0 * ((found - prior) ** 2).sum())

    assert unlikely(weights) < unlikely(prior)
    assert np.abs(rows @ weights).max() < np.abs(rows @ prior).max()
