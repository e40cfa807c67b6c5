"""What a call cost, split over the parts of its prompt and its output.

The whole is what the log says, else the price list times the tokens. Parts follow the list's prices and the bytes of each part; where the
log's cost differs from the list's (discounts, batch), all parts are scaled to it. A call of a model without a price keeps its cost in one
lump, `UNSPLIT`, as does input that is no text of ours (tool definitions, pictures). Unknown is `None` and counted.
"""

from decimal import Decimal
from typing import Protocol

import msgspec

from farthing.core.money import PICO, to_picousd
from farthing.core.usage import Rate, Usage
from farthing.lab.audit.facts import PROMPT, Facts, Part

UNSPLIT = 6
LUMPS = 7  # the parts, and what cannot be split
BYTES_PER_TOKEN = 4.0
_MOST_TEXT = 1.1  # tokens of text beside tools, of what its bytes estimate
_CACHED_FIRST = (Part.SYSTEM, Part.SHOTS, Part.HISTORY, Part.DOCUMENTS, Part.USER)
_KEEP_RATES = 2048


class Prices(Protocol):
    """Of `models.prices.PriceBook`, what is used here."""

    def rate(self, service: str, model: str) -> Rate | None: ...


class PerToken(msgspec.Struct, frozen=True, gc=False):
    """USD per token of one call."""

    read: float
    cached: float
    stored: float
    written: float


class Costs(msgspec.Struct, frozen=True, gc=False):
    """`usd` by lump adds up to the whole. `tokens` by part of the prompt; `per` is `None` for a model without a price."""

    picousd: int
    usd: tuple[float, ...]
    tokens: tuple[float, ...]
    per: PerToken | None

    @property
    def total_usd(self) -> float:
        return sum(self.usd)


class Billed(msgspec.Struct, frozen=True, gc=False):
    """A call and its costs."""

    call: Facts
    costs: Costs


class Costing:
    """Prices calls. Counts nothing itself: a `None` is for the caller to count."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._rates: dict[tuple[str | None, str], Rate | None] = {}

    def rate(self, provider: str | None, model: str | None) -> Rate | None:
        """The price of a model as a log names it: `gpt-4o`, `openai/gpt-4o`, a provider beside it or not."""
        if model is None:
            return None
        key = (provider, model)
        if key not in self._rates:
            if len(self._rates) >= _KEEP_RATES:
                self._rates.clear()
            self._rates[key] = self._find(provider, model)
        return self._rates[key]

    def _find(self, provider: str | None, model: str) -> Rate | None:
        before, _, bare = model.rpartition("/")
        asked = [(provider or "", model), (before.partition("/")[0], bare), (provider or "", bare), ("", bare)]
        return next((rate for service, name in dict.fromkeys(asked) if name and (rate := self._prices.rate(service, name)) is not None), None)

    def of(self, call: Facts) -> Costs | None:
        """`None` when neither the log nor the price list knows."""
        rate = self.rate(call.provider, call.model)
        if rate is None or call.tokens_in is None or call.tokens_out is None:
            return None if call.cost_picousd is None else _lump(call.cost_picousd)
        cached, stored = min(call.cached or 0, call.tokens_in), call.written or 0
        stored = min(stored, call.tokens_in - cached)
        listed = to_picousd(rate.price(Usage(call.tokens_in, call.tokens_out, cached, stored)))
        if call.cost_picousd is None:
            factor, whole = 1.0, listed
        elif call.cost_picousd == 0 or listed == 0:
            return _lump(call.cost_picousd)
        else:
            factor, whole = call.cost_picousd / listed, call.cost_picousd
        per = _per_token(rate, call.tokens_in, factor)
        tokens = _tokens(call)
        return Costs(whole, _split(call, per, tokens, cached, stored), tokens, per)


def _lump(picousd: int) -> Costs:
    return Costs(picousd, (0.0,) * UNSPLIT + (picousd / float(PICO),), (0.0,) * len(PROMPT), None)


def _per_token(rate: Rate, tokens_in: int, factor: float) -> PerToken:
    for step in reversed(rate.steps):
        if tokens_in > step.above_input_tokens:
            rate = step.rate
            break
    read = rate.input_usd_per_mtok

    def each(price: Decimal | None) -> float:
        return float(read if price is None else price) * factor / 1e6

    return PerToken(each(read), each(rate.cached_usd_per_mtok), each(rate.cache_write_usd_per_mtok), each(rate.output_usd_per_mtok))


def _tokens(call: Facts) -> tuple[float, ...]:
    """Input tokens by part, in proportion to bytes; beside tools no more than the bytes account for."""
    size = sum(call.sizes)
    if not size or call.tokens_in is None:
        return (0.0,) * len(PROMPT)
    tokens = min(float(call.tokens_in), size / BYTES_PER_TOKEN * _MOST_TEXT) if call.has_tools else float(call.tokens_in)
    return tuple(tokens * part / size for part in call.sizes)


def _split(call: Facts, per: PerToken, tokens: tuple[float, ...], cached: int, stored: int) -> tuple[float, ...]:
    """USD by lump. The provider's prompt cache covers a prompt from its head."""
    usd = [0.0] * LUMPS
    left_cached, left_stored = float(cached), float(stored)
    for part in _CACHED_FIRST:
        from_cache = min(left_cached, tokens[part])
        to_cache = min(left_stored, tokens[part] - from_cache)
        left_cached, left_stored = left_cached - from_cache, left_stored - to_cache
        usd[part] = from_cache * per.cached + to_cache * per.stored + (tokens[part] - from_cache - to_cache) * per.read
    rest = (call.tokens_in or 0) - sum(tokens) - left_cached - left_stored
    usd[UNSPLIT] = left_cached * per.cached + left_stored * per.stored + max(0.0, rest) * per.read
    usd[Part.OUTPUT] = (call.tokens_out or 0) * per.written
    return tuple(usd)
