"""Boil `genai-prices` down to a `PriceList`, in a process of its own: `python -m farthing.models.price_child` prints it packed."""

import importlib
import sys
from decimal import Decimal
from typing import Any, cast

import msgspec

from farthing.core.usage import Rate, RateStep
from farthing.models.price_list import Clause, ListedModel, Priced, PriceList, Provider


def extract() -> bytes:
    """Import `genai-prices` and pack what it knows. Meant for a process that ends soon after."""
    # Named as text: a type checker that reads the list's 30,000 lines takes minutes over them.
    providers: Any = importlib.import_module("genai_prices.data").providers
    rows = tuple(
        Provider(
            id=provider.id,
            known_as=_clause(provider.provider_match),
            owns=_clause(provider.model_match),
            fallbacks=tuple(provider.fallback_model_providers or ()),
            models=tuple(_model(model) for model in provider.models),
        )
        for provider in providers
    )
    return msgspec.msgpack.encode(PriceList(rows))


def _clause(source: Any) -> Clause | None:
    if source is None:
        return None
    ((name, value),) = cast("dict[str, Any]", vars(source)).items()
    kind = name.rstrip("_")
    if kind in ("or", "and"):
        parts = (_clause(part) for part in cast("list[object]", value))
        return Clause(kind, clauses=tuple(part for part in parts if part is not None))
    # Names are compared in lower case; some of the list's own texts are not.
    return Clause(kind, value if kind == "regex" else value.lower())


def _model(source: Any) -> ListedModel:
    match = _clause(source.match) or Clause("or")
    prices: Any = source.prices
    if not isinstance(prices, list):
        return ListedModel(match, (Priced(None, _rate(prices)),))
    priced: list[Priced] = []
    for entry in cast("list[Any]", prices):
        rate = _rate(entry.prices)
        since = getattr(entry.constraint, "start_date", None)
        if entry.constraint is not None and since is None:
            # A price by time of day: keep the dearer one, so that a budget is never overshot by the clock.
            priced = [Priced(row.since, _dearer(row.rate, rate)) for row in priced]
        else:
            priced.append(Priced(since, rate))
    return ListedModel(match, tuple(priced))


def _dearer(one: Rate | None, other: Rate | None) -> Rate | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda rate: rate.input_usd_per_mtok + rate.output_usd_per_mtok)


def _rate(prices: Any) -> Rate | None:
    """`None` where a call costs more than its tokens, or is not counted in tokens at all."""
    known = cast("dict[str, Any]", vars(prices))
    if known.get("input_mtok") is None or known.get("requests_kcount") is not None:
        return None
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
    starts = sorted({tier.start for name in names for tier in getattr(known.get(name), "tiers", ())})
    return _rate_at(known, 0, tuple(RateStep(start, _rate_at(known, start + 1, ())) for start in starts))


def _rate_at(known: dict[str, Any], input_tokens: int, steps: tuple[RateStep, ...]) -> Rate:
    output = _price_at(known.get("output_mtok"), input_tokens)
    return Rate(
        input_usd_per_mtok=_price_at(known["input_mtok"], input_tokens) or Decimal(0),
        output_usd_per_mtok=output or Decimal(0),  # embeddings have no output to charge
        cached_usd_per_mtok=_price_at(known.get("cache_read_mtok"), input_tokens),
        cache_write_usd_per_mtok=_price_at(known.get("cache_write_mtok"), input_tokens),
        steps=steps,
    )


def _price_at(price: Any, input_tokens: int) -> Decimal | None:
    if price is None or isinstance(price, Decimal):
        return price
    return next((tier.price for tier in reversed(price.tiers) if input_tokens > tier.start), price.base)


if __name__ == "__main__":
    sys.stdout.buffer.write(extract())
