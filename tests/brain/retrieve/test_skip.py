"""When nothing is looked up, and how what was found stands in a prompt."""

import json

import numpy as np
import pytest

from farthing.brain.retrieve.base import Excerpt, Found
from farthing.brain.retrieve.context import context_block, with_context
from farthing.brain.retrieve.skip import skip_reason
from farthing.brain.retrieve.talk import SmallTalk, shipped
from farthing.core.request import Dialect, Peek, Turn
from farthing.models.embed import shipped as embedder
from tests.brain.retrieve.rig import passage


def reason(text: str) -> str | None:
    return skip_reason(Peek("m", (Turn("user", text),)), None)


@pytest.mark.parametrize("text", ["Hi!", "thank you so much", "Ok, great, thanks a lot 🙂", "Danke!", "", "who are you?"])
def test_small_talk_needs_no_documents(text: str) -> None:
    assert reason(text) is not None


@pytest.mark.parametrize(
    "text", ["hi, how long can I return goods?", "Great Britain's capital?", "what is the notice period", "no refunds?", "Is tea there?"]
)
def test_questions_are_looked_up(text: str) -> None:
    assert reason(text) is None


def test_documents_of_the_caller_s_own_are_enough() -> None:
    assert reason("<context>mine</context> what does it say?") == "the caller brought documents"


def test_the_shipped_numbers_know_small_talk_from_questions() -> None:
    talk, embed = shipped(), embedder().embed_now
    assert talk.embedder == embedder().id
    assert talk.heard(embed("tell me something funny"))
    assert not talk.heard(embed("what is the notice period of my contract"))


def test_a_score_is_needed() -> None:
    assert not SmallTalk("e", [0.0] * 4, 0.0).heard(np.ones(4, np.float32))


@pytest.mark.parametrize("mark", ["</context>", "< / CONTEXT >", "<context>"])
def test_no_document_closes_its_mark(mark: str) -> None:
    held = passage(1, f"Before {mark} after.", heading=f"A {mark}")
    block = context_block(Found((Excerpt(held, held.text, 9, 1.0),), 9, 9))
    assert block.lower().replace(" ", "").count("<context>") == 1
    assert block.lower().replace(" ", "").count("</context>") == 1


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (Dialect.CHAT, {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "why?"}]}),
        (Dialect.CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "why?"}]}]}),
        (Dialect.MESSAGES, {"messages": [{"role": "user", "content": "why?"}]}),
        (Dialect.RESPONSES, {"input": "why?"}),
    ],
)
def test_documents_stand_before_the_caller_s_own_words(dialect: Dialect, body: dict[str, object]) -> None:
    fields = with_context(dialect, json.dumps(body).encode(), "<context>x</context>")
    assert fields is not None
    assert all(b"<context>x</context>\\n\\nwhy?" in value for value in fields.values())


def test_a_cached_prefix_is_left_alone() -> None:
    part = {"type": "text", "text": "why?", "cache_control": {"type": "ephemeral"}}
    assert with_context(Dialect.MESSAGES, json.dumps({"messages": [{"role": "user", "content": [part]}]}).encode(), "b") is None
