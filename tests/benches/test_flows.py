"""The examples of flows do what their agents do, with far fewer model calls, on recorded answers."""

import asyncio

import pytest
from bench._flow_examples import NAMES, ByHand, Case, as_flow, cases, compare, configuration, sources
from bench.flows import figures, usual_calls

from farthing.models.tokens import TokenCounter


@pytest.mark.parametrize("name", NAMES)
def test_the_same_outcome_with_far_fewer_calls(name: str) -> None:
    found = compare(name)
    assert all(agent.right(case) and flow.right(case) for case, agent, flow in found)
    missed = [figure.name for figure in figures(name, found) if not figure.met]
    assert missed == []


@pytest.mark.parametrize("name", NAMES)
def test_what_they_say_they_replace_is_what_the_agent_was_measured_at(name: str) -> None:
    said = [(call.input_tokens, call.output_tokens) for call in configuration(name).flows[name].replaces]
    assert said == [(call["input_tokens"], call["output_tokens"]) for call in usual_calls(compare(name))]


def test_recorded_answers_say_where_they_come_from() -> None:
    assert all("unknown" not in sources(name) for name in NAMES)


def test_a_wrong_answer_is_graded_as_one() -> None:
    case = Case("How long do I have to return shoes?", [], ["A fortnight."], ["30 days"])
    side, _ = asyncio.run(as_flow("faq", case, TokenCounter(), lambda clock, tokens: ByHand(case.flow, clock, tokens)))
    assert not side.right(case)


def test_documents_are_really_looked_up() -> None:
    """What the model is shown comes from the files of the example, a few sentences of them; and nothing is shown that is not asked for."""
    case = next(case for case in cases("faq") if "invoice" in case.text)
    side, result = asyncio.run(as_flow("faq", case, TokenCounter()))
    assert side.found(case)
    assert "<context>" in side.shown
    assert "gift cards cannot be returned" not in side.shown
    assert "shop/payment.md@1" in result.exchange.sources
    assert not side.found(Case("", [], [], [], finds=["words that stand nowhere"]))


def test_a_customer_who_cannot_be_looked_up_is_told_of_and_still_sorted() -> None:
    case = next(case for case in cases("triage") if not case.web)
    side, result = asyncio.run(as_flow("triage", case, TokenCounter()))
    assert side.answer == "queue: technical"
    assert result.partial == "step 'customer' failed: crm.shop.example:443 answered with status 404"
