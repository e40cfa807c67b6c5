"""Refusals say what is spent, what to raise and when it resets; headers count the scarcest."""

from decimal import Decimal

import pytest

from farthing.brain.cap import holds, limit_error, ratelimit_headers, refusal_headers
from farthing.config import Caps, Config, Endpoint, Limits
from farthing.core.errors import BudgetExceeded, CapReached, RateLimited
from farthing.core.exchange import Quote
from farthing.core.ledger import Refusal, Reserved
from farthing.core.request import KeyLimits
from tests.brain.cap.ledger import Meters
from tests.brain.requests import make_inbound

NOON = 1_700_049_600.0
USD = 10**12


def only(limits=None, config=None, quote=None, **fields):
    inbound = make_inbound(limits=limits or KeyLimits(), **fields)
    return holds(inbound, quote or Quote(100, 50, Decimal("0.02")), config or Config(), now=NOON, monotonic=130.0)[0]


def error(hold, used, held=0):
    return limit_error(Refusal(hold, used, held), now=NOON, monotonic=130.0)


def test_a_rate_says_how_long_to_wait():
    found = error(only(KeyLimits(requests_per_minute=60)), 58, 2)
    assert isinstance(found, RateLimited)
    assert found.message == "Rate limit of key 'k_01' is reached: 60 of 60 requests this minute. Wait 50 s, or raise `farthing keys create --rpm`."
    assert (found.retry_after_s, found.retry) == (50.0, True)


def test_waiting_that_long_works():
    meters, limits = Meters(), KeyLimits(requests_per_minute=2)

    def call(monotonic):
        return meters.reserve(holds(make_inbound(limits=limits), Quote(1, 1, None), Config(), now=NOON, monotonic=monotonic))

    assert isinstance(call(130.0), Reserved)
    assert isinstance(call(131.0), Reserved)
    refused = call(132.5)
    assert isinstance(refused, Refusal)
    wait_s = limit_error(refused, now=NOON, monotonic=132.5).retry_after_s
    assert wait_s == 47.5
    assert isinstance(call(132.5 + wait_s), Reserved)


def test_a_token_rate_says_what_this_request_needs():
    found = error(only(KeyLimits(tokens_per_minute=200)), 120)
    assert "120 of 200 tokens this minute and this request may need 150." in found.message


def test_a_request_larger_than_its_minute_is_told_that_waiting_is_no_use():
    found = error(only(KeyLimits(tokens_per_minute=50)), 0)
    assert isinstance(found, CapReached)
    assert found.retry is False
    assert found.message.startswith("This request may need 150 tokens, and key 'k_01' has 50 per minute. Lower `max_tokens`")


def test_concurrency_has_no_window_but_a_hint():
    found = error(only(KeyLimits(concurrent=2)), 0, 2)
    assert found.message == "Key 'k_01' has 2 of 2 requests running. Wait for one to end, or raise `farthing keys create --concurrent`."
    assert found.retry_after_s == 1.0


def test_a_spent_budget_in_the_words_of_the_house():
    config = Config(limits=Limits(tenant={"acme": KeyLimits(daily_usd=5.0)}))
    found = error(only(config=config), 5_010_000_000_000)
    assert isinstance(found, BudgetExceeded)
    assert found.message == (
        "Budget of tenant 'acme' is spent: 5.01 of 5 USD today, and this call may cost 0.02 USD. "
        "Raise `limits.tenant.acme.daily_usd`, or wait until 00:00 UTC."
    )
    assert (found.type, found.code, found.retry) == ("insufficient_quota", "budget_exceeded", False)


def test_a_budget_that_is_too_small_for_this_call():
    found = error(only(KeyLimits(monthly_usd=5.0)), 4 * USD, 985 * USD // 1000)
    assert found.message.startswith("Budget of key 'k_01' does not cover this call: 4 of 5 USD this month, 0.985 held by running calls,")
    assert found.message.endswith("or wait until 2023-12-01 00:00 UTC.")


@pytest.mark.parametrize(
    ("caps", "used", "words"),
    [
        (
            Caps(max_calls_per_run=3),
            3,
            "A run at endpoint 'default' may make 3 model calls, and this would be one more. Raise `endpoints.",
        ),
        (Caps(max_usd_per_run=0.1), USD // 10, "The cap of endpoint 'default' is reached: 0.1 of 0.1 USD in this run, and this call"),
    ],
)
def test_a_cap_says_which(caps, used, words):
    found = error(only(config=Config(endpoints={"default": Endpoint(caps=caps)})), used)
    assert isinstance(found, CapReached)
    assert found.message.startswith(words)
    assert (found.code, found.retry) == ("cap_reached", False)


def test_headers_show_the_scarcest_of_each_kind():
    config = Config(limits=Limits(tenant={"*": KeyLimits(requests_per_minute=100)}))
    inbound = make_inbound(limits=KeyLimits(requests_per_minute=60, tokens_per_minute=9000, daily_usd=1.0))
    found = holds(inbound, Quote(100, 50, Decimal("0.02")), config, now=NOON, monotonic=130.0)
    headers = ratelimit_headers(found, Reserved((59, 8850, 7, 10)), 130.0)
    assert dict(headers) == {
        b"x-ratelimit-limit-requests": b"100",
        b"x-ratelimit-remaining-requests": b"7",
        b"x-ratelimit-reset-requests": b"50s",
        b"x-ratelimit-limit-tokens": b"9000",
        b"x-ratelimit-remaining-tokens": b"8850",
        b"x-ratelimit-reset-tokens": b"50s",
    }
    assert len(headers) == 6


@pytest.mark.parametrize(("monotonic", "reset"), [(120.0, b"1m0s"), (179.5, b"500ms"), (178.2, b"2s"), (180.0, b"0ms")])
def test_reset_in_the_form_of_openai(monotonic, reset):
    hold = only(KeyLimits(requests_per_minute=60))
    assert ratelimit_headers([hold], Reserved((5,)), monotonic)[2] == (b"x-ratelimit-reset-requests", reset)


def test_a_refusal_by_rate_carries_the_headers_too():
    rate, money = only(KeyLimits(requests_per_minute=60)), only(KeyLimits(daily_usd=1.0))
    assert dict(refusal_headers(Refusal(rate, 60, 0), 130.0))[b"x-ratelimit-remaining-requests"] == b"0"
    assert refusal_headers(Refusal(money, 0, 0), 130.0) == []
