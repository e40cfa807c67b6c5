"""What a provider's prompt cache is worth, from prices and from what was seen. Pure."""

from decimal import Decimal

import msgspec

from farthing.core.usage import Rate, Usage


class Reads(msgspec.Struct, frozen=True, gc=False):
    """How often prefixes of one kind came again within their time: `reads` of `seen` requests, the rest had to be written."""

    seen: int
    reads: int

    @property
    def per_write(self) -> float:
        return self.reads / max(1, self.seen - self.reads)


def writing_pays(rate: Rate | None, reads: Reads, *, least_seen: int) -> bool:
    """Whether keeping a prefix saves more in reads than it costs in writes. False where prices or habits are not known well enough."""
    if rate is None or rate.cached_usd_per_mtok is None or reads.seen < least_seen:
        return False
    write = rate.cache_write_usd_per_mtok
    premium = (rate.input_usd_per_mtok if write is None else write) - rate.input_usd_per_mtok
    gain = rate.input_usd_per_mtok - rate.cached_usd_per_mtok
    return gain > 0 and gain * Decimal(reads.per_write) > premium


def reading_price(rate: Rate, tokens: int, warm_tokens: int) -> Decimal:
    """What a prompt costs to read, of which the provider has so much already."""
    return rate.price(Usage(tokens, 0, min(tokens, warm_tokens)))
