"""Holds: one per limit that is set, for everyone who has one; what is held always comes back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.brain.cap import hit_holds, holds, orphans, releases
from farthing.config import Caps, Config, Endpoint, Limits
from farthing.core.errors import PriceUnknown
from farthing.core.exchange import Quote, Target
from farthing.core.ledger import Refusal, Release
from farthing.core.request import KeyLimits
from tests.brain.cap.ledger import Meters
from tests.brain.requests import make_inbound, make_peek

NOON = 1_700_049_600.0  # 2023-11-15 12:00 UTC
QUOTE = Quote(100, 50, Decimal("0.002"))
DAY_ENDS = 1_700_092_800.0


def taken(inbound=None, config=None, quote=QUOTE, now=NOON, monotonic=130.0, target=None):
    return holds(inbound or make_inbound(), quote, config or Config(), now=now, monotonic=monotonic, target=target)


def test_no_limit_no_hold():
    assert taken() == ()


def test_every_limit_of_a_key_gives_its_hold():
    limits = KeyLimits(requests_per_minute=60, tokens_per_minute=9000, concurrent=4, daily_usd=5.0, monthly_usd=100.0)
    found = taken(make_inbound(limits=limits))
    assert [(hold.meter, hold.kind, hold.amount, hold.limit, hold.window, hold.window_ends) for hold in found] == [
        ("key:k_01:concurrent", "concurrent", 1, 4, "now", None),
        ("key:k_01:rpm:2", "requests", 1, 60, "minute", 180.0),
        ("key:k_01:tpm:2", "tokens", 150, 9000, "minute", 180.0),
        ("key:k_01:usd:2023-11-15", "budget", 2 * 10**9, 5 * 10**12, "day", DAY_ENDS),
        ("key:k_01:usd:2023-11", "budget", 2 * 10**9, 100 * 10**12, "month", 1_701_388_800.0),
    ]
    assert {hold.subject for hold in found} == {"key 'k_01'"}
    options = ["--concurrent", "--rpm", "--tpm", "--daily-usd", "--monthly-usd"]
    assert [hold.config_key for hold in found] == [f"farthing keys create {option}" for option in options]


def test_a_key_overrides_the_default_limit_by_limit():
    config = Config(limits=Limits(key=KeyLimits(requests_per_minute=10, concurrent=2)))
    found = taken(make_inbound(limits=KeyLimits(requests_per_minute=99)), config)
    assert [(hold.kind, hold.limit, hold.config_key) for hold in found] == [
        ("concurrent", 2, "limits.key.concurrent"),
        ("requests", 99, "farthing keys create --rpm"),
    ]


def test_an_open_gateway_has_no_key_to_limit():
    assert taken(make_inbound(key=None), Config(limits=Limits(key=KeyLimits(requests_per_minute=1)))) == ()


def test_tenants_have_their_own_row_or_the_default():
    config = Config(limits=Limits(tenant={"acme": KeyLimits(concurrent=3), "*": KeyLimits(concurrent=1)}))
    own, other = taken(make_inbound(), config), taken(make_inbound(tenant="other"), config)
    assert (own[0].limit, own[0].config_key) == (3, "limits.tenant.acme.concurrent")
    assert (other[0].limit, other[0].meter, other[0].config_key) == (1, "tenant:other:concurrent", 'limits.tenant."*".concurrent')


def test_end_users_are_limited_within_their_tenant():
    config = Config(limits=Limits(user=KeyLimits(daily_usd=1.0)))
    assert taken(make_inbound(), config) == ()
    first = taken(make_inbound(user_hash="u1"), config)[0]
    second = taken(make_inbound(user_hash="u1", tenant="other"), config)[0]
    assert first.config_key == "limits.user.daily_usd"
    assert first.meter != second.meter


@given(st.text("ab.:1", max_size=6), st.text("ab.:1", max_size=6), st.text("ab.:1", max_size=6), st.text("ab.:1", max_size=6))
def test_no_tenant_reaches_the_meter_of_another(tenant, run, other_tenant, other_run):
    config = Config(endpoints={"default": Endpoint(caps=Caps(max_calls_per_run=1))})
    one = taken(make_inbound(tenant=tenant, run_id=run, request_id="r"), config)[0].meter
    two = taken(make_inbound(tenant=other_tenant, run_id=other_run, request_id="r"), config)[0].meter
    assert (one == two) == ((tenant, run or "r") == (other_tenant, other_run or "r"))


def test_runs_have_caps_per_endpoint():
    config = Config(endpoints={"faq": Endpoint(caps=Caps(max_calls_per_run=3, max_usd_per_run=0.1))})
    calls, money = taken(make_inbound(endpoint="faq", run_id="run_1"), config)
    assert (calls.kind, calls.amount, calls.limit, calls.window, calls.window_ends) == ("run_calls", 1, 3, "run", None)
    assert (money.kind, money.amount, money.limit, money.window) == ("budget", 2 * 10**9, 10**11, "run")
    assert calls.config_key == "endpoints.faq.caps.max_calls_per_run"
    assert taken(make_inbound(endpoint="other", run_id="run_1"), config) == ()


def test_an_endpoint_nobody_configured_shares_the_default_caps():
    config = Config(endpoints={"default": Endpoint(caps=Caps(max_calls_per_run=1))})
    invented = taken(make_inbound(endpoint="x1", run_id="run_1"), config)[0]
    assert invented.meter == taken(make_inbound(endpoint="x2", run_id="run_1"), config)[0].meter


@pytest.mark.parametrize(
    "config",
    [
        Config(limits=Limits(key=KeyLimits(daily_usd=1.0))),
        Config(limits=Limits(tenant={"*": KeyLimits(monthly_usd=1.0)})),
        Config(endpoints={"default": Endpoint(caps=Caps(max_usd_per_run=1.0))}),
    ],
)
def test_limited_money_refuses_an_unknown_price(config):
    with pytest.raises(PriceUnknown, match=r'price of .gpt-x. is unknown. Set `models."gpt-x".input_usd_per_mtok`') as caught:
        taken(None, config, Quote(1, 1, None), target=Target("openai", "gpt-x"))
    assert (caught.value.status, caught.value.code, caught.value.retry) == (429, "price_unknown", False)


def test_an_unknown_price_is_fine_where_money_is_not_limited():
    config = Config(limits=Limits(key=KeyLimits(requests_per_minute=5)))
    assert len(taken(None, config, Quote(1, 1, None))) == 1


def test_a_guessed_output_maximum_never_outgrows_an_empty_minute():
    config = Config(limits=Limits(key=KeyLimits(tokens_per_minute=1000)))
    big = Quote(100, 4096, None)
    assert taken(None, config, big)[0].amount == 1000
    said = make_inbound(peek=make_peek(("user", "Hi"), max_output_tokens=4096))
    assert taken(said, config, big)[0].amount == 4196
    assert taken(None, config, Quote(1500, 10, None))[0].amount == 1510


def test_days_and_months_turn_at_midnight_utc():
    config = Config(limits=Limits(key=KeyLimits(daily_usd=1.0, monthly_usd=1.0)))
    last = taken(None, config, now=1_704_067_199.0)  # 2023-12-31 23:59:59
    first = taken(None, config, now=1_704_067_200.0)
    assert [hold.meter for hold in last] == ["key:k_01:usd:2023-12-31", "key:k_01:usd:2023-12"]
    assert [hold.window_ends for hold in last] == [1_704_067_200.0, 1_704_067_200.0]
    assert [hold.meter for hold in first] == ["key:k_01:usd:2024-01-01", "key:k_01:usd:2024-01"]


def test_a_cache_hit_only_counts_as_a_request():
    limits = KeyLimits(requests_per_minute=60, tokens_per_minute=9000, concurrent=4, daily_usd=5.0)
    assert [hold.kind for hold in hit_holds(make_inbound(limits=limits), Config(), monotonic=130.0)] == ["requests"]


LIMITS = KeyLimits(requests_per_minute=60, tokens_per_minute=9000, concurrent=4, daily_usd=5.0)
RUN = Config(endpoints={"default": Endpoint(caps=Caps(max_calls_per_run=3))})


def test_releases_book_what_was_used():
    found = taken(make_inbound(limits=LIMITS), RUN)
    given_back = releases(found, tokens_used=70, cost_picousd=123, calls=2)
    assert [(hold.kind, release.held, release.used) for hold, release in zip(found, given_back, strict=True)] == [
        ("concurrent", 1, 0),
        ("requests", 1, 1),
        ("tokens", 150, 70),
        ("budget", 2 * 10**9, 123),
        ("run_calls", 1, 2),
    ]


def test_unknown_usage_books_all_that_was_held():
    found = taken(make_inbound(limits=LIMITS))
    assert [release.used for release in releases(found, tokens_used=None, cost_picousd=None, calls=1)] == [0, 1, 150, 2 * 10**9]


def test_a_second_call_on_the_same_meter_is_booked_once():
    found = taken(make_inbound(limits=KeyLimits(daily_usd=5.0)))
    assert releases(found * 2, tokens_used=None, cost_picousd=5, calls=2) == (
        Release("key:k_01:usd:2023-11-15", 2 * 10**9, 5),
        Release("key:k_01:usd:2023-11-15", 2 * 10**9, 0),
    )


def test_an_orphan_counts_as_spent_but_no_longer_runs():
    found = taken(make_inbound(limits=LIMITS))
    assert [used for _, _, used in orphans(found)] == [0, 1, 150, 2 * 10**9]
    assert [held for _, held, _ in orphans(found)] == [1, 1, 150, 2 * 10**9]


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3 * 10**9), st.booleans()), max_size=30))
def test_holds_and_releases_balance_to_zero(calls):
    meters, tokens, cost, admitted = Meters(), 0, 0, 0
    running = []
    for used_tokens, used_cost, at_once in calls:
        found = taken(make_inbound(limits=LIMITS))
        if isinstance(meters.reserve(found), Refusal):
            continue
        admitted, tokens, cost = admitted + 1, tokens + used_tokens, cost + used_cost
        running.append(releases(found, tokens_used=used_tokens, cost_picousd=used_cost, calls=1))
        if at_once:
            meters.release(running.pop())
    for left in running:
        meters.release(left)
    assert set(meters.held.values()) <= {0}
    assert meters.used["key:k_01:rpm:2"] == admitted
    assert meters.used["key:k_01:tpm:2"] == tokens
    assert meters.used["key:k_01:usd:2023-11-15"] == cost
    assert meters.used["key:k_01:concurrent"] == 0
