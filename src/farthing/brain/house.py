"""Everything the flow works with, in one place. Built by `assemble`; replaced as a whole on reload."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from farthing.brain.cache import CacheLever
from farthing.brain.check.guard import Guardrails
from farthing.brain.diet import DietLever
from farthing.brain.diet.lossy.summary import Summaries
from farthing.brain.experiments import pick
from farthing.brain.lengths import OutputLengths
from farthing.brain.ports import Book, CatalogPort, Listener, Models, Prices, Tokens
from farthing.brain.prefix import Prefixes
from farthing.brain.quality.shares import widest
from farthing.brain.quality.watch import Watch
from farthing.brain.route import Router
from farthing.config import Config
from farthing.core.clock import Clock
from farthing.core.exchange import Exchange, Target
from farthing.core.ledger import LedgerRow
from farthing.core.recent import Recent
from farthing.core.request import Dialect, Inbound, Peek
from farthing.core.usage import Rate
from farthing.measure.savings import HitAccounts

if TYPE_CHECKING:
    from farthing.brain.learning import Learned
    from farthing.brain.meaning import Meaning
    from farthing.brain.retrieve.lever import Retriever
    from farthing.brain.shots import Shots

_TRANSPARENT = frozenset({Dialect.MESSAGES, Dialect.RESPONSES})
_TOUCHING_LEVERS = frozenset({"cache", "diet", "lossy", "retrieve", "output", "prompt_cache", "check"})


class House:
    """The brain's tools. Holds no state of a single request."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        catalog: CatalogPort,
        router: Router,
        cache: CacheLever,
        guardrails: Guardrails,
        book: Book,
        models: Models,
        prices: Prices,
        tokens: Tokens,
        listeners: Sequence[Listener] = (),
        watch: Watch | None = None,
        meaning: "Meaning | None" = None,
        arms: Mapping[str, "House"] | None = None,
        keeps_accounts: bool = True,  # a replay, which keeps no rows, does without
        learned: "Learned | None" = None,
        retriever: "Retriever | None" = None,
        shots: "Shots | None" = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.catalog = catalog
        self.router = router
        self.learned = learned  # the trained router, or why it cannot be used; None: none is configured
        self.shots = shots  # examples of endpoints; None: none has any
        self.retriever = retriever  # the collections; None: no endpoint names one
        self.cache = cache
        self.guardrails = guardrails
        self.book = book
        self.models = models
        self.prices = prices
        self.tokens = tokens
        self.listeners = listeners
        self.diet = DietLever(config.diet)
        self.lengths = OutputLengths()
        self.unruled = OutputLengths()  # of answers that were asked for without the length rule, to compare with
        self.hits = HitAccounts()
        self.prefixes = Prefixes(config.prompt_cache.ttl_s)
        self.summaries = Summaries()  # of turns that the lossy diet left out
        self.meaning = meaning
        self.watch = watch  # which levers the quality guard turned down
        self.shares = widest(config)
        self.arms = arms  # houses of the experiments' arms, by "name=arm"; None: no experiment runs
        self.stopping = False
        self.parks = any(service.batch for service in config.services.values())  # background calls may take a day: nobody flies along with them
        self.keeps_accounts = keeps_accounts
        self.peeks: dict[Dialect, Recent[Peek]] = {dialect: Recent() for dialect in Dialect}  # of bodies that were served from the cache
        self._off: dict[tuple[str, Dialect], frozenset[str]] = {}
        baseline = catalog.baseline
        self.baseline_rate: Rate | None = prices.rate(baseline.service, baseline.model) if baseline is not None else None
        self._unquantized = {name: _rate_of(prices, model.quantized_from) for name, model in config.models.items() if model.quantized_from}

    def arm(self, inbound: Inbound) -> "House":
        """The house of the arm that this run is in; this one when it takes part in no experiment."""
        if self.arms is None:
            return self
        inbound.experiment = pick(self.config.experiments, inbound.endpoint, inbound.run_id)
        return self if inbound.experiment is None else self.arms[inbound.experiment]

    def levers_off(self, inbound: Inbound) -> frozenset[str]:
        """Levers that must not act: by the caller's header, by the endpoint, by its profile."""
        key = (inbound.endpoint, inbound.dialect)
        off = self._off.get(key)
        if off is None:
            off = self._standing_off(inbound)
            if inbound.endpoint in self.config.endpoints or inbound.endpoint == "default":
                self._off[key] = off
        return off | inbound.levers_off if inbound.levers_off else off

    def _standing_off(self, inbound: Inbound) -> frozenset[str]:
        endpoint = self.config.endpoint(inbound.endpoint)
        off = frozenset(endpoint.levers_off)
        transparent = endpoint.profile == "transparent" or (endpoint.profile == "auto" and inbound.dialect in _TRANSPARENT)
        return off | _TOUCHING_LEVERS if transparent else off

    def unquantized(self, target: Target) -> Rate | None:
        """The price of the model that this one was quantized from; `None` where it is not, or nobody knows."""
        if not self._unquantized:
            return None
        return self._unquantized.get(f"{target.service}/{target.model}") or self._unquantized.get(target.model)

    def publish(self, exchange: Exchange, row: LedgerRow) -> None:
        """Tell every listener of a settled exchange."""
        for listener in self.listeners:
            listener.settled(exchange, row)

    def error_headers(self, exchange: Exchange | None) -> Sequence[tuple[bytes, bytes]]:
        """Headers that an error reply carries besides its own, such as the rate limit's state."""
        return () if exchange is None else exchange.reply_headers


def _rate_of(prices: Prices, name: str) -> Rate | None:
    """Of a model as the configuration names it: `service/model`, or `model`."""
    service, slash, model = name.partition("/")
    return prices.rate(service, model) if slash else prices.rate("", name)
