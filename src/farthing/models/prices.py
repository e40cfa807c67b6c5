"""What models cost: the `genai-prices` list, overridden by `[models.X]` of the configuration.

Guarantees: exact decimals; the same answer all day for one (service, model), looked up once; `None` where nobody knows.
A service is a provider of the list when its name is (`openai`, `groq`, `azure`, ...): then only what that provider lists
counts. For any other name the model decides, if its own maker sells it or all sellers ask the same; else `None`.
Prices that rise with the input's length are steps of the `Rate`; of prices that change by the hour, the dearest counts.
Not told: batch and priority tiers, prices per search, image or minute; a model with a fee per request is unknown.
Costs: 0.3 us a look-up, 3 MB, 30 ms to load (0.6 s once per version of the list; bench/prices.py).
A self-hosted model is priced by its machine's hour and measured throughput, where the configuration gives them.
Off: a price of your own under `[models."service/model"]` or `[models.model]`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from farthing.config import Model
from farthing.core.clock import Clock, SystemClock
from farthing.core.usage import PER_MILLION, Rate
from farthing.models import price_list
from farthing.models.price_list import PriceList

DAY_S = 86_400
MEMO_ROWS = 4096  # callers may name models; what they name must not fill the memory


class PriceBook:
    """Prices by (service, model); implements the brain's `Prices`."""

    def __init__(
        self,
        models: Mapping[str, Model],
        *,
        clock: Clock | None = None,
        cache_dir: Path | None = None,
        read: Callable[[Path | None], PriceList] = price_list.load,
    ) -> None:
        self._own = dict(models)
        self._cache_dir = cache_dir or price_list.default_cache_dir()
        self._read = read
        self._now = (clock or SystemClock()).now
        self._list: PriceList | None = None
        self._memo: dict[tuple[str, str], Rate | None] = {}
        self._day_ends = 0.0

    def warm(self) -> PriceList:
        """Load the list. Call it at start: the first time after an update of the list it takes half a second."""
        if self._list is None:
            self._list = self._read(self._cache_dir)
        return self._list

    def rate(self, service: str, model: str) -> Rate | None:
        """Current price, or `None` when nobody knows it."""
        key = (service, model)
        if (now := self._now()) >= self._day_ends or len(self._memo) >= MEMO_ROWS:
            self._memo.clear()
            self._day_ends = (now // DAY_S + 1) * DAY_S
        try:
            return self._memo[key]
        except KeyError:
            pass
        rate = self._memo[key] = self._resolve(service, model)
        return rate

    def _resolve(self, service: str, model: str) -> Rate | None:
        own = self._own.get(f"{service}/{model}") or self._own.get(model)
        if own is not None and (hosted := _by_machine_hour(own)) is not None:
            return hosted
        if own is not None and own.input_usd_per_mtok is not None and own.output_usd_per_mtok is not None:
            return _override(None, own)
        listed = self._listed(service, model.lower())
        return listed if own is None else _override(listed, own)

    def _listed(self, service: str, model: str) -> Rate | None:
        prices, day = self.warm(), datetime.fromtimestamp(self._now(), tz=UTC).date()
        if (provider := prices.provider(service)) is not None:
            found = prices.find(provider, model)
            return found.rate(day) if found else None
        return _rate_by_name(prices, model, day)


def _rate_by_name(prices: PriceList, model: str, day: date) -> Rate | None:
    """The maker's price, else the one price that every seller asks."""
    for provider in prices.providers:
        if provider.owns is not None and provider.owns.holds(model):
            found = prices.find(provider, model)
            return found.rate(day) if found else None
    asked = {found.rate(day) for provider in prices.providers if (found := provider.model(model)) is not None}
    return asked.pop() if len(asked) == 1 else None


def _by_machine_hour(own: Model) -> Rate | None:
    """Tokens of a machine of one's own: its hour, shared by what it reads or writes in one at the measured throughput."""
    if own.machine_usd_per_hour is None or own.input_tokens_per_s is None or own.output_tokens_per_s is None:
        return None
    second_usd = Decimal(str(own.machine_usd_per_hour)) / 3600
    reading, writing = Decimal(str(own.input_tokens_per_s)), Decimal(str(own.output_tokens_per_s))
    return Rate(second_usd / reading * PER_MILLION, second_usd / writing * PER_MILLION)


def _override(listed: Rate | None, own: Model) -> Rate | None:
    """The configured prices, the list's where the configuration is silent; `None` unless input and output are known."""

    def pick(configured: float | None, otherwise: Decimal | None) -> Decimal | None:
        return otherwise if configured is None else Decimal(str(configured))

    configured = (own.input_usd_per_mtok, own.output_usd_per_mtok, own.cached_usd_per_mtok, own.cache_write_usd_per_mtok)
    if all(price is None for price in configured):
        return listed
    input_usd = pick(own.input_usd_per_mtok, listed.input_usd_per_mtok if listed else None)
    output_usd = pick(own.output_usd_per_mtok, listed.output_usd_per_mtok if listed else None)
    if input_usd is None or output_usd is None:
        return None
    return Rate(
        input_usd_per_mtok=input_usd,
        output_usd_per_mtok=output_usd,
        cached_usd_per_mtok=pick(own.cached_usd_per_mtok, listed.cached_usd_per_mtok if listed else None),
        cache_write_usd_per_mtok=pick(own.cache_write_usd_per_mtok, listed.cache_write_usd_per_mtok if listed else None),
    )
