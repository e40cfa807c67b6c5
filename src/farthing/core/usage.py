"""Tokens of a call and what they cost."""

from decimal import Decimal

import msgspec

PER_MILLION = Decimal(1_000_000)


class Worked(msgspec.Struct, frozen=True, gc=False):
    """How long an engine says that it worked on a call, without the time in its queue."""

    prompt_s: float
    output_s: float


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one model call, as the upstream counted them or as we estimated them.

    `input_tokens` holds the cached and the cache-writing ones too; `output_tokens` holds the reasoning ones.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False
    worked: Worked | None = None


class RateStep(msgspec.Struct, frozen=True, gc=False):
    """Prices of a call whose whole input is longer than this; they hold for all of its tokens, not only those beyond."""

    above_input_tokens: int
    rate: "Rate"


class Rate(msgspec.Struct, frozen=True, gc=False):
    """Prices of one model in USD per million tokens. A cached price that is `None` is the input price.

    `steps` hold the prices of long inputs, the longest last; most models have none.
    """

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cached_usd_per_mtok: Decimal | None = None
    cache_write_usd_per_mtok: Decimal | None = None
    steps: tuple[RateStep, ...] = ()

    def price(self, usage: Usage) -> Decimal:
        """What these tokens cost, in USD, exactly."""
        for step in reversed(self.steps):
            if usage.input_tokens > step.above_input_tokens:
                return step.rate.price(usage)
        cached = usage.cached_tokens or 0
        written = usage.cache_write_tokens or 0
        total = (usage.input_tokens - cached - written) * self.input_usd_per_mtok
        total += usage.output_tokens * self.output_usd_per_mtok
        if cached:
            total += cached * (self.cached_usd_per_mtok if self.cached_usd_per_mtok is not None else self.input_usd_per_mtok)
        if written:
            total += written * (self.cache_write_usd_per_mtok if self.cache_write_usd_per_mtok is not None else self.input_usd_per_mtok)
        return total / PER_MILLION
