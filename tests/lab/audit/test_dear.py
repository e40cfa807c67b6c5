"""The rows of small siblings: each is sold, at a price that makes the change worth it."""

import pytest

from farthing.lab.audit.costs import Costing
from farthing.lab.audit.finders.dear import MOST_RATIO, SIBLINGS, EasyOnDear
from farthing.lab.audit.recommend import service_of
from farthing.models.prices import PriceBook


@pytest.fixture(scope="module")
def dear() -> EasyOnDear:
    return EasyOnDear(Costing(PriceBook({})))


@pytest.mark.parametrize(("maker", "small"), sorted({(maker, small) for _, maker, small in SIBLINGS}))
def test_every_small_model_has_a_price_and_a_service(maker: str, small: str) -> None:
    assert Costing(PriceBook({})).rate(maker, small) is not None
    assert service_of(maker, small) is not None


@pytest.mark.parametrize(
    ("model", "small"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o-mini"),
        ("gpt-5.2", "gpt-5-mini"),
        ("gpt-6.1-sol", "gpt-6-luna"),
        ("claude-sonnet-4-5", "claude-haiku-4-5"),
        ("anthropic/claude-sonnet-5-5", "claude-haiku-5-5"),
        ("gemini-2.5-pro", "gemini-2.5-flash"),
        ("grok-4.7", "grok-4-1-fast-non-reasoning"),
    ],
)
def test_dear_models_have_a_sibling_of_their_maker(dear: EasyOnDear, model: str, small: str) -> None:
    found = dear.sibling(None, model)
    assert found is not None
    name, rate = found
    own = Costing(PriceBook({})).rate(None, model)
    assert own is not None
    assert name == small
    assert rate.output_usd_per_mtok <= own.output_usd_per_mtok * 6 / 10
    assert MOST_RATIO == 0.6


@pytest.mark.parametrize("model", ["gpt-4o-mini", "claude-haiku-4-5", "gpt-6-luna", "home-grown"])
def test_small_and_foreign_models_have_none(dear: EasyOnDear, model: str) -> None:
    assert dear.sibling(None, model) is None
