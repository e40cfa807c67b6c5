"""The shipped rules are those of the issue, in their order; rules are pure and monotone where they promise to be."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.brain.route.rules import DEFAULT_RULES, pick_tier
from farthing.config import Match, Rule
from tests.brain.requests import make_inbound, make_signals


def tier(inbound=None, rules=DEFAULT_RULES, otherwise="expensive", **signals):
    return pick_tier(make_signals(**signals), inbound or make_inbound(), rules, otherwise)[0]


@pytest.mark.parametrize("domain", ["compliance", "pricing", "legal"])
def test_sensitive_domains_are_expensive_even_when_short(domain):
    assert tier(domain=domain) == "expensive"


def test_high_risk_is_expensive_before_the_cheap_tasks_are_looked_at():
    assert tier(task="classification", risk="high") == "expensive"
    assert tier(task="classification", risk="medium") == "cheap"


def test_enterprise_tenants_get_the_expensive_tier():
    assert tier(make_inbound(tenant_tier="enterprise"), task="sentiment") == "expensive"
    assert tier(make_inbound(tenant_tier="free"), task="sentiment") == "cheap"


@pytest.mark.parametrize("task", ["classification", "tag_prediction", "sentiment"])
def test_labelling_is_cheap_at_any_length(task):
    assert tier(task=task, query_tokens=9_000, input_tokens=9_000, needs_documents=True) == "cheap"


def test_a_faq_over_documents_is_cheap_only_when_short_and_sure():
    faq = {"task": "faq_qna", "needs_documents": True}
    assert tier(**faq, input_tokens=511, confidence=0.6) == "cheap"
    assert tier(**faq, input_tokens=512, confidence=0.9) == "expensive"
    assert tier(**faq, input_tokens=511, confidence=0.59) == "expensive"


def test_short_questions_without_documents_are_cheap():
    assert tier(query_tokens=127) == "cheap"
    assert tier(query_tokens=128) == "expensive"
    assert tier(query_tokens=5, needs_documents=True) == "expensive"


def test_otherwise_decides_when_nothing_matches():
    assert tier(query_tokens=500, otherwise="cheap") == "cheap"


def test_what_the_caller_says_of_its_domain_wins():
    assert tier(make_inbound(domain="weather"), domain="legal") == "cheap"
    assert tier(make_inbound(domain="legal"), domain=None) == "expensive"


def test_reasons_name_the_rule_and_the_values():
    _, decision = pick_tier(make_signals(query_tokens=93), make_inbound(), DEFAULT_RULES, "expensive")
    assert decision.lever == "route"
    assert decision.reason == "rule 'short question': 93 < 128 tokens asked, no documents needed"
    _, unsure = pick_tier(make_signals(task="faq_qna", needs_documents=True, confidence=0.3), make_inbound(), DEFAULT_RULES, "cheap")
    assert (unsure.action, unsure.reason) == ("expensive", "rule 'faq from documents' wants confidence 0.60, task faq_qna has 0.30")


@pytest.mark.parametrize(
    ("when", "fits", "misses"),
    [
        (Match(tenant=("acme",)), {}, {"tenant": "other"}),
        (Match(endpoint=("faq",)), {"endpoint": "faq"}, {}),
        (Match(language=("de",)), {"language": "de"}, {"language": "fr"}),
        (Match(tenant_tier=("gold",)), {"tenant_tier": "gold"}, {}),
    ],
)
def test_conditions_on_the_request(when, fits, misses):
    rules = (Rule(name="only", tier="cheap", when=when),)
    assert tier(make_inbound(**fits), rules) == "cheap"
    assert tier(make_inbound(**misses), rules) == "expensive"


@pytest.mark.parametrize(
    ("when", "fits", "misses"),
    [
        (Match(complexity_below=0.5), {"complexity": 0.49}, {"complexity": 0.5}),
        (Match(risk=("low", "medium")), {"risk": "medium"}, {"risk": "high"}),
        (Match(input_tokens_below=10), {"input_tokens": 9}, {"input_tokens": 10}),
        (Match(needs_documents=True), {"needs_documents": True}, {"needs_documents": False}),
        (Match(domain=("hr",)), {"domain": "hr"}, {"domain": None}),
    ],
)
def test_conditions_on_the_signals(when, fits, misses):
    rules = (Rule(name="only", tier="cheap", when=when),)
    assert tier(None, rules, **fits) == "cheap"
    assert tier(None, rules, **misses) == "expensive"


def test_an_empty_condition_always_holds():
    assert pick_tier(make_signals(), make_inbound(), (Rule(name="all", tier="cheap"),), "expensive")[1].reason == "rule 'all': always"


SIGNALS = st.builds(
    make_signals,
    task=st.sampled_from(["qa", "faq_qna", "classification", "code"]),
    risk=st.sampled_from(["low", "medium", "high"]),
    needs_documents=st.booleans(),
    query_tokens=st.integers(0, 2000),
    input_tokens=st.integers(0, 2000),
    confidence=st.floats(0, 1),
    domain=st.sampled_from([None, "legal", "billing"]),
)


@given(SIGNALS, st.integers(0, 1000))
def test_asking_for_more_never_makes_it_cheaper(signals, more):
    longer = msgspec.structs.replace(signals, query_tokens=signals.query_tokens + more, input_tokens=signals.input_tokens + more)
    before = pick_tier(signals, make_inbound(), DEFAULT_RULES, "expensive")[0]
    after = pick_tier(longer, make_inbound(), DEFAULT_RULES, "expensive")[0]
    assert not (before == "expensive" and after == "cheap")


@given(SIGNALS)
def test_more_risk_never_makes_it_cheaper(signals):
    assert pick_tier(msgspec.structs.replace(signals, risk="high"), make_inbound(), DEFAULT_RULES, "expensive")[0] == "expensive"


@given(SIGNALS, st.floats(0, 1))
def test_less_confidence_never_makes_it_cheaper(signals, confidence):
    lower = msgspec.structs.replace(signals, confidence=min(confidence, signals.confidence))
    before = pick_tier(signals, make_inbound(), DEFAULT_RULES, "expensive")[0]
    assert before == "cheap" or pick_tier(lower, make_inbound(), DEFAULT_RULES, "expensive")[0] == "expensive"
