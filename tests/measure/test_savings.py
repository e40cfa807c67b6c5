"""The savings account: parts that add up, in whatever order, against an oracle that tries every order."""

from decimal import Decimal
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.core.account import SAVERS, Effect, Saver, Span
from farthing.core.usage import Rate, Usage
from farthing.measure.savings import Bill, settle_account

CHEAP, DEAR, DEAREST = Rate(Decimal(1), Decimal(2)), Rate(Decimal(10), Decimal(20), Decimal(1)), Rate(Decimal(30), Decimal(60))
USAGE = Usage(100, 50)


def price(rate: Rate, inputs: int, outputs: int) -> int:
    """Picodollars; a token at 1 USD per million costs a million of them."""
    return int((inputs * rate.input_usd_per_mtok + outputs * rate.output_usd_per_mtok) * 1_000_000)


def bill(cost: int, rate: Rate = CHEAP, output: Span | None = None) -> Bill:
    return Bill(rate, USAGE, cost, output)


def test_one_lever_gets_the_whole() -> None:
    settled = settle_account(bill(price(CHEAP, 100, 50)), [Effect("route", rate=DEAR)])
    assert settled.baseline_picousd == price(DEAR, 100, 50)
    assert settled.account.saved == {"route": price(DEAR, 100, 50) - price(CHEAP, 100, 50)}
    assert settled.account.low == settled.account.high == {}


def test_no_lever_no_savings() -> None:
    settled = settle_account(bill(price(CHEAP, 100, 50)), [])
    assert (settled.baseline_picousd, settled.account.saved) == (price(CHEAP, 100, 50), {})


def test_a_hit_is_not_priced_at_the_dearest_model() -> None:
    """Without the cache the router would have sent the call to the cheap model: the cache saved that, and both share the rest."""
    settled = settle_account(bill(0), [Effect("cache", avoids_call=True), Effect("route", rate=DEAR)])
    dear, cheap = price(DEAR, 100, 50), price(CHEAP, 100, 50)
    assert settled.baseline_picousd == dear
    assert settled.account.saved == {"cache": (dear + cheap) // 2, "route": (dear - cheap) // 2}


def test_what_a_lever_spends_is_its_own() -> None:
    """A cheap answer that had to be escalated: the route paid for it twice and saved nothing."""
    cheap_call = Decimal("0.0002")
    settled = settle_account(bill(price(DEAR, 100, 50) + 200_000_000, DEAR), [Effect("route", overhead_usd=cheap_call)])
    assert settled.baseline_picousd == price(DEAR, 100, 50)
    assert settled.account.saved == {"route": -200_000_000}


def test_what_no_lever_caused_is_in_the_baseline_too() -> None:
    settled = settle_account(bill(price(CHEAP, 100, 50) + 7), [Effect("route", rate=DEAR)])
    assert settled.baseline_picousd == price(DEAR, 100, 50) + 7


def test_diet_and_route_share_what_only_both_together_save() -> None:
    settled = settle_account(bill(price(CHEAP, 100, 50)), [Effect("diet", input_tokens=100), Effect("route", rate=DEAR)])
    removed_dear, removed_cheap = price(DEAR, 100, 0), price(CHEAP, 100, 0)
    assert settled.account.saved["diet"] == (removed_dear + removed_cheap) // 2
    assert sum(settled.account.saved.values()) == settled.baseline_picousd - price(CHEAP, 100, 50)


def test_the_baseline_model_comes_before_the_unquantized_one() -> None:
    settled = settle_account(bill(price(CHEAP, 100, 50)), [Effect("quantize", rate=DEAR), Effect("route", rate=DEAREST)])
    assert settled.baseline_picousd == price(DEAREST, 100, 50)


def test_a_batch_halves_the_price_and_avoided_calls_count_at_their_price() -> None:
    half = Effect("batch", price_factor=Decimal("0.5"))
    calls = Effect("calls", calls_avoided=((40, 10), (60, 0)))
    settled = settle_account(bill(price(CHEAP, 100, 50) // 2), [half, calls])
    assert settled.baseline_picousd == price(CHEAP, 200, 60)
    assert sum(settled.account.saved.values()) == price(CHEAP, 200, 60) - price(CHEAP, 100, 50) // 2


def test_a_prefix_that_a_lever_kept_warm_is_saved_and_one_that_it_moved_is_lost() -> None:
    usage = Usage(100, 50, cached_tokens=80)
    paid = int(DEAR.price(usage) * 10**12)
    warm = settle_account(Bill(DEAR, usage, paid), [Effect("prompt_cache", cached_tokens=80)])
    assert warm.account.saved == {"prompt_cache": price(DEAR, 80, 0) - 80 * 1_000_000}
    cold = int(DEAR.price(USAGE) * 10**12)
    moved = settle_account(Bill(DEAR, USAGE, cold), [Effect("diet", input_tokens=10, cached_tokens=-80)])
    assert moved.account.saved["diet"] == price(DEAR, 10, 0) - 72 * 10 * 1_000_000


def test_an_estimate_carries_its_range() -> None:
    settled = settle_account(bill(0, output=Span(50, 10, 90)), [Effect("cache", avoids_call=True)])
    assert settled.account.saved == {"cache": price(CHEAP, 100, 50)}
    assert settled.account.low == {"cache": price(CHEAP, 100, 10)}
    assert settled.account.high == {"cache": price(CHEAP, 100, 90)}


tokens = st.integers(0, 50_000)
rates = st.builds(Rate, st.decimals("0.01", "90", places=4), st.decimals("0.01", "300", places=4), st.none() | st.decimals("0.01", "9", places=4))
spans = st.tuples(tokens, tokens, tokens).map(sorted).map(lambda found: Span(found[1], found[0], found[2]))


def effect(lever: Saver) -> st.SearchStrategy[Effect]:
    return st.builds(
        Effect,
        st.just(lever),
        input_tokens=tokens,
        output_tokens=st.none() | spans,
        cached_tokens=st.integers(-100, 100),
        rate=st.none() | rates,
        price_factor=st.none() | st.just(Decimal("0.5")),
        avoids_call=st.booleans(),
        calls_avoided=st.lists(st.tuples(tokens, tokens), max_size=2).map(tuple),
        overhead_usd=st.decimals("0", "0.1", places=9),
    )


acting = st.lists(st.sampled_from(SAVERS), unique=True, min_size=1, max_size=5).flatmap(lambda levers: st.tuples(*map(effect, levers)))


def oracle(made: Bill, effects: tuple[Effect, ...]) -> tuple[Fraction, dict[str, Fraction]]:
    """Mean marginal contribution over every order, in fractions of a dollar, with a pricing of its own."""
    order = list(SAVERS)

    def worth(on: frozenset[str]) -> Fraction:
        active = [one for one in effects if one.lever in on]
        absent = sorted((one for one in effects if one.lever not in on), key=lambda one: order.index(one.lever))
        spent = sum((Fraction(one.overhead_usd) for one in active), Fraction(0))
        if any(one.avoids_call for one in active):
            return spent
        rate = next((one.rate for one in absent if one.rate is not None), made.rate)
        inputs = made.usage.input_tokens + sum(one.input_tokens for one in absent)
        outputs = made.usage.output_tokens if made.output is None else made.output.tokens
        outputs += sum(one.output_tokens.tokens for one in absent if one.output_tokens)
        cached = max(0, min((made.usage.cached_tokens or 0) - sum(one.cached_tokens for one in absent), inputs))
        read = Fraction(rate.input_usd_per_mtok if rate.cached_usd_per_mtok is None else rate.cached_usd_per_mtok)
        call = (inputs - cached) * Fraction(rate.input_usd_per_mtok) + cached * read + outputs * Fraction(rate.output_usd_per_mtok)
        for one in absent:
            for more_in, more_out in one.calls_avoided:
                call += more_in * Fraction(rate.input_usd_per_mtok) + more_out * Fraction(rate.output_usd_per_mtok)
        halves = sum(one.price_factor is not None for one in active)
        return call / 1_000_000 / 2**halves + spent

    levers = [one.lever for one in effects]
    totals = dict.fromkeys(levers, Fraction(0))
    orders = list(permutations(levers))
    for one_order in orders:
        on: frozenset[str] = frozenset()
        for lever in one_order:
            totals[lever] += worth(on) - worth(on | {lever})
            on |= {lever}
    return worth(frozenset()), {lever: total / len(orders) for lever, total in totals.items()}


@settings(max_examples=150, deadline=None)
@given(made=st.builds(Bill, rates, st.builds(Usage, tokens, tokens), st.just(0), st.none() | spans), effects=acting)
def test_the_account_is_the_mean_over_all_orders(made: Bill, effects: tuple[Effect, ...]) -> None:
    settled = settle_account(made, effects)
    baseline, parts = oracle(made, effects)
    actual = baseline - sum(parts.values())
    other = Fraction(-round(actual * 10**12), 10**12)  # the bill says that nothing was paid, so the rest is nobody's, on both sides
    assert sum(settled.account.saved.values()) == settled.baseline_picousd
    assert abs(Fraction(settled.baseline_picousd, 10**12) - baseline - other) < Fraction(1, 10**11)
    assert settled.account.saved.keys() == parts.keys()
    for lever, part in parts.items():
        assert abs(Fraction(settled.account.saved[lever], 10**12) - part) < Fraction(1, 10**9)
    for lever, low in settled.account.low.items():
        assert low <= settled.account.saved[lever] <= settled.account.high[lever]


@settings(max_examples=60, deadline=None)
@given(effects=acting, data=st.data())
def test_the_order_of_effects_does_not_matter(effects: tuple[Effect, ...], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(effects))
    made = bill(123_456_789)
    assert settle_account(made, shuffled) == settle_account(made, effects)


@pytest.mark.parametrize("count", range(1, 8))
def test_equal_levers_get_equal_parts_to_the_picodollar(count: int) -> None:
    effects = [Effect(lever, input_tokens=100) for lever in SAVERS[:count]]
    settled = settle_account(bill(price(CHEAP, 100, 50)), effects)
    parts = settled.account.saved.values()
    assert sum(parts) == price(CHEAP, 100 * count, 0)
    assert max(parts) - min(parts) <= 1
