"""From a configuration to a brain: as the gateway runs it, and as a replay runs it over a log."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from farthing.brain.cache import CacheLever
from farthing.brain.check.guard import Guardrails
from farthing.brain.experiments import label, overlay
from farthing.brain.house import House
from farthing.brain.learning import Learned
from farthing.brain.meaning import Meaning
from farthing.brain.ports import Book as BookPort
from farthing.brain.ports import Listener, Models, Tokens
from farthing.brain.quality import Tools, Watch
from farthing.brain.route import Equals, Router, Sessions
from farthing.config import Config
from farthing.core.clock import Clock
from farthing.core.exchange import Target
from farthing.core.usage import Usage
from farthing.models import price_list
from farthing.models.base import Backend
from farthing.models.catalog import Catalog
from farthing.models.prices import PriceBook
from farthing.models.recorded import RecordedBackend

if TYPE_CHECKING:
    from farthing.brain.retrieve.lever import Retriever
    from farthing.brain.shots import Shots


# One version of the list in a process: it comes with a package. Every reload, and every tenant of a replay, would read it anew.
_read_prices = lru_cache(maxsize=1)(price_list.load)


def build_house(
    config: Config,
    *,
    clock: Clock,
    book: BookPort,
    models: Models,
    tokens: Tokens,
    cache: CacheLever,
    sessions: Sessions | None = None,
    listeners: Sequence[Listener] = (),
    watch: Watch | None = None,
    keeps_accounts: bool = True,
    meaning: Meaning | None = None,
    retriever: "Retriever | None" = None,
    shots: "Shots | None" = None,
) -> House:
    """The brain of one configuration: as the gateway runs it, and as a replay runs it over a log. Each arm of an experiment has its own."""

    def build_arm(settings: Config) -> House:
        return build_house(
            settings,
            clock=clock,
            book=book,
            models=models,
            tokens=tokens,
            cache=cache,
            listeners=listeners,
            keeps_accounts=keeps_accounts,
            retriever=retriever,
            shots=shots,
        )

    catalog = Catalog(config)
    prices = PriceBook(config.models, clock=clock, read=_read_prices)
    prices.warm()
    return House(
        config=config,
        clock=clock,
        catalog=catalog,
        router=Router(config, catalog, sessions, Equals(models.crowd, lambda target: _usual_usd(prices, target))),
        cache=cache,
        guardrails=Guardrails(config.guard),
        book=book,
        models=models,
        prices=prices,
        tokens=tokens,
        listeners=listeners,
        watch=watch,
        learned=_learned(config, catalog),
        meaning=meaning,
        retriever=retriever,
        shots=shots,
        arms={
            label(name, arm): build_arm(overlay(config, experiment, settings))
            for name, experiment in config.experiments.items()
            for arm, settings in experiment.arms.items()
        }
        or None,
        keeps_accounts=keeps_accounts,
    )


# A call of usual shape: services of one model are compared by it.
_USUAL = Usage(1000, 300)


def _usual_usd(prices: PriceBook, target: Target) -> float | None:
    rate = prices.rate(target.service, target.model)
    return None if rate is None else float(rate.price(_USUAL))


def _learned(config: Config, catalog: Catalog) -> Learned | None:
    """Loads numpy and the trained router only where one is configured."""
    settings = config.route.learned
    if settings.artefact is None or not settings.enabled:
        return None
    from farthing.brain.route.learned.desk import open_desk
    from farthing.models.embed import shipped

    return open_desk(settings, catalog, shipped())


def judging_tools(house: House) -> Tools | None:
    """What the quality guard judges with; `None` when no judge is configured."""
    name = house.config.quality.judge
    return None if name is None else Tools(house.config, house.catalog, house.prices, house.guardrails, house.catalog.resolve(name))


def backends(config: Config, clock: Clock) -> dict[str, Backend]:
    """Services that are not reached over HTTP."""
    return {name: RecordedBackend(service, clock=clock) for name, service in config.services.items() if service.dialect == "recorded"}
