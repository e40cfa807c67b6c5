"""The envelope of one request: deadline, tokens, money, and targets that are only recorded."""

from decimal import Decimal

import pytest

from farthing.brain.cap import Envelope
from farthing.config import Caps, Config, Endpoint, Resilience
from farthing.core.errors import CapReached, PriceUnknown
from farthing.core.exchange import Quote, Target
from tests.brain.requests import make_inbound

TARGET = Target("openai", "mini")


def envelope(resilience_s=600.0, **caps):
    config = Config(endpoints={"faq": Endpoint(caps=Caps(**caps))}, resilience=Resilience(deadline_s=resilience_s))
    return Envelope(make_inbound(endpoint="faq", started_s=100.0), config)


def test_the_nearer_deadline_counts_and_gives_its_reason():
    capped = envelope(absolute_latency_s=8.0)
    assert (capped.deadline_s, capped.cut_by_cap) == (108.0, True)
    assert capped.latency_reason == "absolute latency of endpoint 'faq': 8.0 s (`endpoints.faq.caps.absolute_latency_s`)"
    free = envelope(resilience_s=5.0, absolute_latency_s=8.0)
    assert (free.deadline_s, free.cut_by_cap) == (105.0, False)
    assert free.latency_reason == "no request lives longer than 5 s (`resilience.deadline_s`)"


def test_tokens_left_for_the_answer():
    capped = envelope(absolute_tokens=1000)
    assert capped.allowed_output_tokens(900) == 100
    assert capped.tokens_reason == "absolute tokens of endpoint 'faq': 1000 (`endpoints.faq.caps.absolute_tokens`)"
    assert envelope().allowed_output_tokens(10**9) is None


def test_input_alone_over_the_cap_is_refused():
    with pytest.raises(CapReached, match=r"allows 1000 tokens per request, and the input alone has 1000. Shorten it, or raise `endpoints.faq"):
        envelope(absolute_tokens=1000).allowed_output_tokens(1000)


def test_dear_quotes_are_refused_and_unknown_ones_too():
    capped = envelope(max_usd=0.05)
    capped.check_quote(Quote(1, 1, Decimal("0.05")), TARGET)
    with pytest.raises(CapReached, match=r"'mini' may cost 0.0500001 USD, and endpoint 'faq' allows 0.05 per request"):
        capped.check_quote(Quote(1, 1, Decimal("0.0500001")), TARGET)
    with pytest.raises(PriceUnknown, match="'mini' is unknown"):
        capped.check_quote(Quote(1, 1, None), TARGET)
    envelope().check_quote(Quote(1, 1, None), TARGET)


def test_targets_are_recorded_not_enforced():
    capped = envelope(target_latency_s=2.0, target_tokens=500)
    assert capped.crossed(latency_s=2.0, tokens=500) == []
    assert [decision.action for decision in capped.crossed(latency_s=2.01, tokens=501)] == ["target_latency", "target_tokens"]
    assert capped.crossed(latency_s=2.01, tokens=None)[0].reason == "took 2.01 s, target 2.0 s of endpoint 'faq'"
    assert envelope().crossed(latency_s=99.0, tokens=99) == []
