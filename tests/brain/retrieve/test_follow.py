"""Follow-ups that the last answer covers, and those that bring something new."""

import pytest

from farthing.brain.retrieve.follow import covered
from farthing.core.request import Turn

ANSWER = "Goods may be returned within 30 days of purchase. The customer pays for the parcel. Refunds take five working days."


def said(question: str, answer: str | None = ANSWER) -> str | None:
    history = (Turn("user", "how do I return goods?"), Turn("assistant", answer)) if answer is not None else ()
    return covered((*history, Turn("user", question)))


@pytest.mark.parametrize(
    "question",
    [
        "shorter please",
        "Can you make it shorter?",
        "translate that into German",
        "in German please",
        "please summarize it in one sentence",
        "Thanks! Could you put that in a table?",
        "repeat that",
        "explain it in simple words",
        "as bullet points",
        "who pays for the parcel?",
        "so the customer pays for the parcel?",
    ],
)
def test_what_the_last_answer_covers(question: str) -> None:
    assert said(question) is not None
    assert said(question, None) is None


@pytest.mark.parametrize(
    "question",
    [
        "and who pays for damaged goods?",
        "why?",
        "what about gift cards?",
        "may I return socks?",
        "translate the shipping policy into German",
        "summarize the warranty terms",
        "explain the refund rules for business customers",
        "refunds?",
        "how long does the customer wait?",
        "shorter notice periods for tenants",
    ],
)
def test_what_brings_something_new_is_looked_up(question: str) -> None:
    assert said(question) is None
