"""Quotes: how much output is counted on, and that a price nobody knows stays unknown."""

from decimal import Decimal

import pytest

from farthing.brain.cap import max_output_tokens, quote
from farthing.config import Config, Endpoint, Model
from farthing.core.exchange import Target
from farthing.core.request import Dialect
from farthing.core.usage import Rate
from tests.brain.requests import make_inbound, make_peek, make_signals

TARGET = Target("openai", "mini")
RATE = Rate(Decimal("0.15"), Decimal("0.60"))
CONFIG = Config(endpoints={"faq": Endpoint(max_output_tokens=300)}, models={"mini": Model(max_output_tokens=2000)})


def asking(limit=None, **fields):
    return make_inbound(peek=make_peek(("user", "Hi"), max_output_tokens=limit), **fields)


@pytest.mark.parametrize(
    ("inbound", "config", "expected"),
    [
        (asking(100, endpoint="faq"), CONFIG, 100),
        (asking(9_000), CONFIG, 2000),
        (asking(endpoint="faq"), CONFIG, 300),
        (asking(), CONFIG, 2000),
        (asking(), Config(), 4096),
        (asking(9_000), Config(), 9_000),
        (asking(dialect=Dialect.EMBEDDINGS), Config(), 0),
    ],
)
def test_the_most_output_is_known_from_body_endpoint_model_or_default(inbound, config, expected):
    assert max_output_tokens(inbound, config, TARGET) == expected


def test_a_model_may_be_configured_with_its_service():
    config = Config(models={"openai/mini": Model(max_output_tokens=7)})
    assert max_output_tokens(asking(), config, TARGET) == 7


def test_price_is_input_with_a_margin_and_all_the_output():
    quoted = quote(asking(), make_signals(input_tokens=1000), TARGET, RATE, max_output_tokens=500)
    assert (quoted.input_tokens, quoted.max_output_tokens) == (1150, 500)
    assert quoted.price_usd == (1150 * Decimal("0.15") + 500 * Decimal("0.60")) / 1_000_000


def test_every_choice_may_write_all_it_may():
    inbound = make_inbound(peek=make_peek(("user", "Hi"), n=3))
    assert quote(inbound, make_signals(), TARGET, RATE, max_output_tokens=100).max_output_tokens == 300


def test_an_unknown_price_is_none():
    assert quote(asking(), make_signals(), TARGET, None, max_output_tokens=1).price_usd is None


def test_writing_to_the_prompt_cache_is_quoted_at_its_own_price():
    rate = Rate(Decimal(3), Decimal(15), cache_write_usd_per_mtok=Decimal("3.75"))
    plain = quote(asking(), make_signals(), TARGET, rate, max_output_tokens=0)
    writing = quote(asking(body=b'{"cache_control":{}}'), make_signals(), TARGET, rate, max_output_tokens=0)
    assert plain.price_usd is not None
    assert writing.price_usd == plain.price_usd * Decimal("1.25")


def test_media_and_other_tokenizers_get_room():
    seen = make_inbound(peek=make_peek(("user", "Hi"), has_media=True))
    assert quote(seen, make_signals(input_tokens=0), TARGET, None, max_output_tokens=0).input_tokens == 1600
    claude = Target("anthropic", "claude-sonnet")
    assert quote(asking(), make_signals(input_tokens=100), claude, None, max_output_tokens=0).input_tokens == 140
